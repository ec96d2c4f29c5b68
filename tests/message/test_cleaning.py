"""A text as Telegram's own clients would send it, cleaned before an offset is counted."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.core.errors import MessageError
from broadcast.core.model import Attachment, Button, Contact, Format, Media, Message
from broadcast.core.peers import parse_peer
from broadcast.message.cleaning import clean, shows_nothing
from broadcast.message.personal import personal
from broadcast.message.schema import ContentError, fields_of, require_button
from broadcast.message.text import check, parse, parts

NOW = datetime(2026, 12, 24, 18, 0, tzinfo=UTC)
PHOTO = Attachment("/car.jpg", Media.PHOTO, "0" * 64, 1)
CAR = "\N{AUTOMOBILE}"
ANY_TEXT = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from("\r\n\t\0\x1f\u2028\u202a\u202e\u0333\u033f\u030a\u200b" + CAR),
    )
)
ZERO_WIDTH = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad\u2800\u3164\ufe0f"


def as_tdlib(text: str) -> str:
    """td/telegram/misc.cpp, `clean_input_string`, byte by byte, but for the ring of an å."""
    data, made, at = text.encode(), bytearray(), 0
    while at < len(data):
        one = data[at]
        if one < 32 and one not in b"\n\r":
            made += b" "
        elif one == 0xE2 and data[at + 1] == 0x80 and 0xA8 <= data[at + 2] <= 0xAE:
            at += 2
        elif one == 0xCC and data[at + 1] in (0xB3, 0xBF):
            at += 1
        elif one != 13:
            made.append(one)
        at += 1
    return made.decode()


@given(ANY_TEXT)
def test_a_text_is_cleaned_as_tdlib_does(text: str) -> None:
    assert clean(text) == as_tdlib(text)


@given(ANY_TEXT)
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(ANY_TEXT, ANY_TEXT)
def test_a_text_may_be_cleaned_in_pieces(one: str, other: str) -> None:
    assert clean(one) + clean(other) == clean(one + other)


def inside(text: str, entity: Any) -> str:
    units = text.encode("utf-16-le")[2 * entity.offset : 2 * (entity.offset + entity.length)]
    return units.decode("utf-16-le")  # strict: no half of a pair


SIGNS = {
    Format.MARKDOWN: [("**", "**"), ("__", "__"), ("~~", "~~"), ("||", "||"), ("`", "`")],
    Format.HTML: [(f"<{tag}>", f"</{tag}>") for tag in ("b", "i", "u", "s", "tg-spoiler", "code")],
}
BETWEEN = ANY_TEXT.map(lambda text: "".join(c for c in text if c not in "*_~|`[]():"))


@given(st.lists(st.tuples(BETWEEN, st.integers(0, 5), BETWEEN)), BETWEEN, st.data())
def test_each_entity_is_what_was_marked(
    pieces: list[tuple[str, int, str]], end: str, data: st.DataObject
) -> None:
    markup = data.draw(st.sampled_from([Format.MARKDOWN, Format.HTML]))
    signs = SIGNS[markup]
    source, visible, marked = "", "", list[str]()
    for before, sign, inner in pieces:
        start, stop = signs[sign % len(signs)]
        letters = f"x{inner}x"  # an entity that is white space alone is none
        for text, shown in ((before, before), (f"{start}{letters}{stop}", letters)):
            is_sign = text is not before
            body = (
                escape(letters if is_sign else text, quote=False)
                if markup is Format.HTML
                else (letters if is_sign else text)
            )
            source += f"{start}{body}{stop}" if is_sign else body
            visible += shown
        marked.append(clean(letters))
    found, entities = parse(
        Message(source + (escape(end, False) if markup is Format.HTML else end), markup)
    )
    assert found.strip() == clean(visible + end).strip()
    assert [inside(found, entity) for entity in entities] == marked


@given(ANY_TEXT, st.sampled_from(Format))
def test_whatever_is_sent_is_clean(text: str, markup: Format) -> None:
    message = Message(text, markup, split=True)
    try:
        check(message)
    except MessageError:
        return
    for part, entities in parts(message):
        assert clean(part) == part
        assert all(inside(part, entity) for entity in entities)


@given(ANY_TEXT)
def test_a_value_of_a_template_is_cleaned(value: str) -> None:
    contact = Contact(parse_peer("@ana"), fields={"value": value})
    button = (Button("a{{ value }}", "https://a.b"),)
    message = Message("**x** {{ value }}.", template=True, buttons=(button,))
    made = personal(message, contact, NOW)
    assert parse(made)[0] == f"x {clean(value)}."
    assert made.buttons[0][0].text == f"a{clean(value)}".strip()


def test_a_button_is_cleaned() -> None:
    def look(path: str, **_: object) -> Attachment:
        raise AssertionError(path)

    made = fields_of({"buttons": "A\tb\u202e=https://a.b"}, look, NOW)
    assert made == {"buttons": ((Button("A b", "https://a.b"),),)}


def test_what_html_writes_as_a_number_is_cleaned_too() -> None:
    text, (bold,) = parse(Message("a&#13;&#9;b&#x202e;<b>c</b>", Format.HTML))
    assert text == "a bc"
    assert inside(text, bold) == "c"


@given(st.text(st.sampled_from(ZERO_WIDTH + " \n"), min_size=1), st.sampled_from(Format))
def test_a_text_of_which_nothing_is_seen_is_refused(text: str, markup: Format) -> None:
    assert shows_nothing(text)
    with pytest.raises(MessageError, match="nothing was sent"):
        check(Message(text, markup))
    with pytest.raises(ContentError, match="need a text that can be seen"):
        require_button(Button(text, "https://a.b"))


@pytest.mark.parametrize("value", ["\u200b", "\u2060\u200d"])
def test_a_value_may_be_all_there_is_and_show_nothing(value: str) -> None:
    contact = Contact(parse_peer("@ana"), fields={"value": value})
    made = personal(Message("**{{ value }}**", template=True), contact, NOW)
    with pytest.raises(MessageError, match=f"such as U\\+{ord(value[0]):04X}"):
        check(made)


def test_a_caption_is_left_out_or_can_be_seen() -> None:
    check(Message("", files=(PHOTO,)))
    with pytest.raises(MessageError, match=r"of the caption: it has 1 character, .*leave it out"):
        check(Message("\u200b", files=(PHOTO,)))


@given(ANY_TEXT, st.sampled_from("aé.\N{AUTOMOBILE}漢\u0301"))
def test_a_text_with_a_letter_is_seen(text: str, letter: str) -> None:
    assert not shows_nothing(text + letter)


@pytest.mark.parametrize(
    ("source", "visible", "url"),
    [
        ("[X](https://en.wikipedia.org/wiki/X_(y))", "X", "https://en.wikipedia.org/wiki/X_(y)"),
        ("([X](https://e.org/a))", "(X)", "https://e.org/a"),
        ("[[1]](https://e.org)", "[1]", "https://e.org"),
        ("[a [b] c](e.org/(x)(y)?z)!", "a [b] c!", "e.org/(x)(y)?z"),
        ("[a] [b](https://e.org)", "[a] b", "https://e.org"),
        ("[me](tg://user?id=1)", "me", "tg://user?id=1"),
        ("[x](http://[::1]:80/a)", "x", "http://[::1]:80/a"),
    ],
)
def test_a_link_may_have_brackets_in_it(source: str, visible: str, url: str) -> None:
    message = Message(source)
    check(message)
    text, (link,) = parse(message)
    assert (text, link.url) == (visible, url)


@pytest.mark.parametrize("format_", [Format.MARKDOWN, Format.HTML])
@pytest.mark.parametrize(
    "url", ["y", "arg", "#top", "/page", "https://", "http://x y.z", "a.b c", "(y"]
)
def test_a_link_that_leads_nowhere_is_refused(format_: Format, url: str) -> None:
    text = f"see [a]({url})" if format_ is Format.MARKDOWN else f'see <a href="{url}">a</a>'
    with pytest.raises(MessageError, match=r"the link 'a' leads to .*no link; nothing was sent"):
        check(Message(text, format_))


def test_a_spoiler_is_marked_with_two_lines() -> None:
    text, (spoiler,) = parse(Message("who: ||me|| | or ||"))
    assert (text, inside(text, spoiler)) == ("who: me | or ||", "me")
    assert type(spoiler).__name__ == "MessageEntitySpoiler"


IN_ADDRESS = st.text(st.sampled_from("ab*_~-/=&?."), min_size=1, max_size=12).map("{}z".format)


@given(st.lists(IN_ADDRESS, min_size=1, max_size=3), st.sampled_from(["**", "__", "~~", "||", ""]))
def test_the_signs_of_an_address_are_its_own(paths: list[str], sign: str) -> None:
    links = [f"https://e.org/{path}" for path in paths]
    text, entities = parse(Message(f"{sign}see {' '.join(links)}{sign} end"))
    assert text == f"see {' '.join(links)} end"
    assert [inside(text, entity) for entity in entities] == (
        [f"see {' '.join(links)}"] if sign else []
    )
    (link,) = parse(Message(f"[x]({links[0]})"))[1]
    assert link.url == links[0]
