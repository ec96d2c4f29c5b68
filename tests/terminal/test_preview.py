"""What is seen before anything is sent."""

from __future__ import annotations

import io
import json
from datetime import datetime

import pytest
from rich.console import Console

from broadcast.core.model import (
    Attachment,
    Button,
    Contact,
    Format,
    Forward,
    LinkPreview,
    Media,
    Message,
    When,
)
from broadcast.core.peers import parse_peer
from broadcast.message.text import parse
from broadcast.terminal.preview import show_preview, styled

ANA = Contact(parse_peer("@ana"), "Ana")
BOB = Contact(parse_peer("+34600000001"))
CAR = "\N{AUTOMOBILE}"
PHOTO = Attachment("/home/me/car.jpg", Media.PHOTO, "ab" * 32, 1_234_567, spoiler=True)
EVERYTHING = Message(
    f'{CAR}<b>Hi</b> <a href="https://e.org/x">shop</a> https://t.me/a\n<blockquote>q\nr</blockquote>',
    Format.HTML,
    files=(PHOTO,),
    buttons=((Button("Buy", "https://b.org"), Button("Look", "https://l.org")),),
    link_preview=LinkPreview.OFF,
    silent=True,
    protect=True,
    pin=True,
    reply_to=3,
    send_as=parse_peer("@chan"),
    effect=5,
    forward=Forward(parse_peer("@news"), 12, with_author=False),
    when=When(datetime(2026, 12, 24, 18, 0), "Europe/Madrid", of_recipient=True),  # noqa: DTZ001 - a wall clock's
    late=60.0,
)


FLAGS = (
    "  silent, protected: cannot be forwarded, pinned, in reply to message 3, sent as @chan, "
    "effect 5, link preview off, at 2026-12-24 18:00 in the zone of "
    "each recipient, at most 60 s late"
)


def printed(capsys: pytest.CaptureFixture[str], *rows: tuple[Contact, Message]) -> str:
    show_preview(rows, as_json=False)
    return capsys.readouterr().out


def test_a_message_is_shown_with_all_that_goes_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, (ANA, EVERYTHING), (BOB, Message("Hi")))
    assert out.splitlines() == [
        "Ana  @ana",
        "  [photo: car.jpg, 1.2 MB, hidden until tapped]",
        "  [forwarded: message 12 of @news, without its author]",
        f"  {CAR}Hi shop https://t.me/a",
        "  | q",
        "  | r",
        "  28 of 1024 characters, 3 entities (1 bold, 1 text url, 1 blockquote)",
        "  link: https://e.org/x",
        "  link: https://t.me/a",
        "  [ Buy ] [ Look ]",
        "  Buy: https://b.org",
        "  Look: https://l.org",
        FLAGS,
        "",
        "+34600000001",
        "  Hi",
        "  2 of 4096 characters",
        "",
        "2 messages; nothing was sent (preview)",
    ]


def test_the_parts_of_a_split_text_are_numbered(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, (ANA, Message("word " * 1500, files=(PHOTO,), split=True)))
    assert "part 1 of 3: 1024 of 1024 characters" in out
    assert "part 3 of 3: 2379 of 4096 characters" in out
    assert "3 messages; nothing was sent (preview)" in out
    assert out.count("word") == 1500


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("<b>x</b>", "1"),
        ("<i>x</i>", "3"),
        ("<u>x</u>", "4"),
        ("<s>x</s>", "9"),
        ("<code>x</code>", "36"),
        ("<pre>x</pre>", "36"),
        ("<tg-spoiler>x</tg-spoiler>", "2;7"),
        ("<b><i>x</i></b>", "1;3"),
    ],
)
def test_formatting_is_that_of_the_terminal(source: str, code: str) -> None:
    text, entities = parse(Message(f"{CAR}a{source}b", Format.HTML))
    out = io.StringIO()
    Console(file=out, force_terminal=True, color_system="standard").print(styled(text, entities))
    assert out.getvalue() == f"{CAR}a\x1b[{code}mx\x1b[0mb\n"


def test_a_link_can_be_clicked() -> None:
    text, entities = parse(Message("[shop](https://e.org/\x7f)"))
    out = io.StringIO()
    Console(file=out, force_terminal=True, color_system="standard").print(styled(text, entities))
    assert ";https://e.org/\u2421\x1b\\" in out.getvalue()


def test_a_text_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b[2J\x07\x9b31m\r"
    out = printed(
        capsys,
        (Contact(parse_peer("@ana")), Message(f"a{evil}b", Format.PLAIN)),
        (ANA, Message(f"[x](https://e.org/{evil})")),
        (ANA, Message("x", buttons=((Button(evil, f"https://e.org/{evil}"),),))),
    )
    assert not {"\x1b", "\x07", "\x9b", "\r"} & set(out)


def test_json_has_one_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    show_preview([(ANA, EVERYTHING), (BOB, Message("Hi"))], as_json=True)
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    (part,) = first.pop("parts")
    assert part["text"] == f"{CAR}Hi shop https://t.me/a\nq\nr"
    assert (part["length"], part["limit"]) == (28, 1024)
    assert part["links"] == ["https://e.org/x", "https://t.me/a"]
    assert part["entities"][:2] == [
        {"kind": "bold", "offset": 2, "length": 2, "url": None},
        {"kind": "text_url", "offset": 5, "length": 4, "url": "https://e.org/x"},
    ]
    assert first == {
        "type": "preview",
        "peer": "@ana",
        "name": "Ana",
        "files": [
            {
                "media": "photo",
                "name": "car.jpg",
                "size": 1_234_567,
                "sha256": "ab" * 32,
                "spoiler": True,
                "thumbnail": None,
            }
        ],
        "buttons": [
            [{"text": "Buy", "url": "https://b.org"}, {"text": "Look", "url": "https://l.org"}]
        ],
        "link_preview": "off",
        "silent": True,
        "protect": True,
        "pin": True,
        "reply_to": 3,
        "send_as": "@chan",
        "effect": 5,
        "forward": {"peer": "@news", "message_id": 12, "with_author": False},
        "when": {"at": "2026-12-24T18:00:00", "zone": "Europe/Madrid", "of_recipient": True},
        "late": 60.0,
    }
    assert (second["type"], second["peer"], second["when"]) == ("preview", "+34600000001", None)
