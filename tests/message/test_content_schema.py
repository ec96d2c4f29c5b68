"""What can be said of a message, and how it is kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.core.duration import seconds_of
from broadcast.core.model import (
    Attachment,
    Button,
    Format,
    Forward,
    LinkPreview,
    Media,
    Message,
    When,
)
from broadcast.core.peers import parse_peer
from broadcast.message.schema import (
    SETTINGS,
    ContentError,
    Kind,
    fields_of,
    require_whole,
)
from broadcast.message.stored import pack, pack_overrides, unpack, unpack_overrides

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SUFFIXES = {"jpg": Media.PHOTO, "mp4": Media.VIDEO, "mp3": Media.AUDIO, "ogg": Media.VOICE}


def look(path: str, *, as_document: bool, is_thumbnail: bool = False) -> Attachment:
    if is_thumbnail and not path.endswith(".jpg"):
        raise ContentError("thumbnail", "is not a picture")
    media = SUFFIXES.get(path.rpartition(".")[2], Media.DOCUMENT)
    return Attachment(f"/{path}", Media.DOCUMENT if as_document else media, "00", 7)


def said(**given: Any) -> dict[str, Any]:
    return fields_of(given, look, NOW)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, {}),
        ({"text": " as it is "}, {"text": " as it is "}),
        ({"format": "HTML"}, {"format": Format.HTML}),
        ({"silent": "yes", "pin": "no"}, {"silent": True, "pin": False}),
        ({"protect": "On", "split": "false"}, {"protect": True, "split": False}),
        ({"link_preview": "above"}, {"link_preview": LinkPreview.ABOVE}),
        ({"reply_to": "12", "effect": "5104841245755180586"},
         {"reply_to": 12, "effect": 5104841245755180586}),
        ({"send_as": "@shop"}, {"send_as": parse_peer("@shop")}),
        ({"not_later_than": "1h30m"}, {"late": 5400.0}),
        ({"buttons": "Shop = https://a.b/?x=1"}, {"buttons": ((Button("Shop", "https://a.b/?x=1"),),)}),
        ({"buttons": ("A=https://a", ("B=tg://b", "1=2=https://c"))},
         {"buttons": ((Button("A", "https://a"),), (Button("B", "tg://b"), Button("1=2", "https://c")))}),
        ({"buttons": ("Hi {{ name }}={{ link }}", "A=https://a/?n={{ name | urlencode }}&b")},
         {"buttons": ((Button("Hi {{ name }}", "{{ link }}"),),
                      (Button("A", "https://a/?n={{ name | urlencode }}&b"),))}),
        ({"forward": "https://t.me/shop/12"},
         {"forward": Forward(parse_peer("https://t.me/shop"), 12)}),
        ({"forward": "t.me/c/123/4/56?single", "without_author": "yes"},
         {"forward": Forward(parse_peer("https://t.me/c/123"), 56, with_author=False)}),
        ({"files": "a.jpg"}, {"files": (Attachment("/a.jpg", Media.PHOTO, "00", 7),)}),
        ({"files": ("a.jpg", "b.mp4"), "spoiler": "yes"},
         {"files": (Attachment("/a.jpg", Media.PHOTO, "00", 7, spoiler=True),
                    Attachment("/b.mp4", Media.VIDEO, "00", 7, spoiler=True))}),
        ({"files": ("a.jpg", "b.mp3"), "as_document": "yes"},
         {"files": (Attachment("/a.jpg", Media.DOCUMENT, "00", 7),
                    Attachment("/b.mp3", Media.DOCUMENT, "00", 7))}),
        ({"at": "2026-12-24 18:00", "zone": "Europe/Madrid"},
         {"when": When(datetime(2026, 12, 24, 18), "Europe/Madrid")}),  # noqa: DTZ001 - a wall clock
    ],
)  # fmt: skip
def test_what_can_be_said(given: dict[str, Any], found: dict[str, Any]) -> None:
    assert said(**given) == found


@pytest.mark.parametrize(
    ("given", "key", "words"),
    [
        ({"sillent": "yes"}, "sillent", "not a setting"),
        ({"silent": "maybe"}, "silent", "yes or no, not 'maybe'"),
        ({"silent": ("yes",)}, "silent", "one text"),
        ({"text": " "}, "text", "empty"),
        ({"format": "rtf"}, "format", "md, html, plain"),
        ({"reply_to": "0"}, "reply_to", "whole number above 0"),
        ({"effect": "fire"}, "effect", "whole number above 0"),
        ({"send_as": "shop"}, "send_as", "@shop"),
        ({"not_later_than": "soon"}, "not_later_than", "15m"),
        ({"buttons": "no link"}, "buttons", "Text=https://"),
        ({"buttons": "A=ftp://x"}, "buttons", "Text=https://"),
        ({"buttons": "A=https://x y"}, "buttons", "Text=https://"),
        ({"buttons": ()}, "buttons", "list is empty"),
        ({"buttons": (("A=https://a",) * 9,)}, "buttons", "8 in a row"),
        ({"buttons": ("A=https://a",) * 101}, "buttons", "at most 100"),
        ({"forward": "https://t.me/shop"}, "forward", "https://t.me/name/123"),
        ({"forward": "https://t.me/shop/0"}, "forward", "https://t.me/name/123"),
        ({"without_author": "yes"}, "without_author", "there is none"),
        ({"files": ()}, "files", "is empty"),
        ({"files": ("a.jpg",) * 11}, "files", "at most 10"),
        ({"files": ("a.jpg", "b.mp3")}, "files", "cannot be one album: audio, photo"),
        ({"files": ("a.ogg", "b.ogg")}, "files", "cannot be one album: voice"),
        ({"spoiler": "yes"}, "spoiler", "there are none"),
        ({"thumbnail": "a.jpg"}, "thumbnail", "there are none"),
        ({"files": "a.pdf", "thumbnail": "b.pdf"}, "thumbnail", "not a picture"),
        ({"zone": "Europe/Madrid"}, "zone", "no time: add at"),
        ({"at": "2026-12-24 18:00", "zone": "Europe/Madird"}, "zone", "Did you mean Europe/Madrid"),
    ],
)
def test_what_cannot(given: dict[str, Any], key: str, words: str) -> None:
    with pytest.raises(ContentError, match=words) as error:
        said(**given)
    assert error.value.key == key


FILE = Attachment("/a.jpg", Media.PHOTO, "00", 7)


@pytest.mark.parametrize(
    ("message", "key"),
    [
        (Message("x", forward=Forward(parse_peer("@shop"), 1)), "forward"),
        (Message("", forward=Forward(parse_peer("@shop"), 1), files=(FILE,)), "forward"),
        (Message("", forward=Forward(parse_peer("@shop"), 1), template=True), "forward"),
        (Message("", files=(FILE, FILE), buttons=((Button("A", "https://a"),),)), "buttons"),
        (Message("x", buttons=((Button("A", "{{ link }}"),),)), "buttons"),
        (Message("x", buttons=((Button("A", "https://a/{{ b }}"),),)), "buttons"),
        (Message("x", late=60.0), "not_later_than"),
    ],
)
def test_what_excludes_one_another(message: Message, key: str) -> None:
    with pytest.raises(ContentError) as error:
        require_whole(message)
    assert error.value.key == key


attachments = st.builds(
    Attachment,
    path=st.text(min_size=1),
    media=st.sampled_from(Media),
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    size=st.integers(1, 2**33),
    spoiler=st.booleans(),
    thumbnail=st.none() | st.just(FILE),
)
peers = st.sampled_from(["@shop", "@forum/42", "-1001234567890", "me"]).map(parse_peer)
messages = st.builds(
    Message,
    text=st.text(),
    format=st.sampled_from(Format),
    template=st.booleans(),
    split=st.booleans(),
    files=st.lists(attachments, max_size=2).map(tuple),
    buttons=st.lists(
        st.lists(st.builds(Button, st.text(), st.text()), min_size=1, max_size=2).map(tuple),
        max_size=2,
    ).map(tuple),
    link_preview=st.sampled_from(LinkPreview),
    silent=st.booleans(),
    protect=st.booleans(),
    pin=st.booleans(),
    reply_to=st.none() | st.integers(1, 2**31),
    send_as=st.none() | peers,
    effect=st.none() | st.integers(1, 2**62),
    forward=st.none() | st.builds(Forward, peers, st.integers(1, 2**31), st.booleans()),
    when=st.none() | st.builds(When, st.datetimes(), st.just("Europe/Madrid"), st.booleans()),
    late=st.none() | st.floats(0, 1e6),
    values=st.just(()),
)


@given(messages)
def test_a_message_is_kept_whole(message: Message) -> None:
    kept = json.loads(json.dumps(pack(message)))
    assert unpack(message.text, message.format, kept) == message


@given(messages)
def test_a_contacts_own_is_kept_whole(message: Message) -> None:
    overrides = {name: getattr(message, name) for name in ("text", "format", "files", "when")}
    kept = json.loads(json.dumps(pack_overrides(overrides)))
    assert dict(unpack_overrides(kept)) == overrides


def test_a_plain_message_takes_nothing() -> None:
    assert pack(Message("x", Format.HTML)) == {}


def test_every_setting_reaches_the_message() -> None:
    example = {
        Kind.FLAG: "yes",
        Kind.LIST: ("a.jpg",),
        Kind.ROWS: ("A=https://a",),
    }
    texts = {
        "reply_to": "1", "effect": "1", "send_as": "@shop", "thumbnail": "a.jpg",
        "forward": "https://t.me/shop/1", "at": "2026-12-24 18:00", "in": "2h",
        "zone": "Europe/Madrid", "not_later_than": "1h",
    }  # fmt: skip
    needs = {
        "as_document": {"files": "a.mp3"}, "spoiler": {"files": "a"}, "thumbnail": {"files": "a"},
        "without_author": {"forward": "https://t.me/shop/1"},
        "zone": {"at": "2026-12-24 18:00"}, "zone_of": {"at": "2026-12-24 18:00"},
    }  # fmt: skip
    for setting in SETTINGS:
        value = example.get(setting.kind) or texts.get(setting.name)
        value = value or (setting.choices[-1] if setting.choices else "x")
        without = said(**needs.get(setting.name, {}))
        assert said(**{setting.name: value}, **needs.get(setting.name, {})) != without, setting.name


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("90s", 90), ("1.5m", 90), ("15M", 900), ("1d12h", 129_600), ("1h 30m", 5400)],
)
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@given(st.integers(1, 10**9 - 1) | st.decimals("0.001", 999, places=3), st.sampled_from("smhd"))
def test_a_bare_number_is_no_length_of_time(number: object, unit: str) -> None:
    with pytest.raises(ValueError, match=f"write {number}s, {number}m or {number}h"):
        seconds_of(f" {number} ")
    assert seconds_of(f"{number}{unit}") > 0


@pytest.mark.parametrize(
    "text", ["", "soon", "-1", "1w", "h", "1e3", "1.5.5h", "9" * 10, "1 30m", "1h30", "30 min"]
)
def test_no_lengths_of_time(text: str) -> None:
    with pytest.raises(ValueError, match="write 90s"):
        seconds_of(text)
