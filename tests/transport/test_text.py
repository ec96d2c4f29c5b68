"""What a reader sees of a message, and how long Telegram finds it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon.tl import types

from broadcast.core.errors import MessageError
from broadcast.core.model import Format, Message
from broadcast.transport.text import TEXT_LIMIT, check, parse

MARKDOWN, HTML, PLAIN = Format.MARKDOWN, Format.HTML, Format.PLAIN
CAR = "\N{AUTOMOBILE}"  # two UTF-16 units


@pytest.mark.parametrize(
    ("text", "markup", "visible", "entities"),
    [
        ("I bought a car!", MARKDOWN, "I bought a car!", []),
        ("a **new** car", MARKDOWN, "a new car", [types.MessageEntityBold(2, 3)]),
        ("a `new` car", MARKDOWN, "a new car", [types.MessageEntityCode(2, 3)]),
        (f"{CAR}**new**", MARKDOWN, f"{CAR}new", [types.MessageEntityBold(2, 3)]),
        (
            "[my car](https://example.org)",
            MARKDOWN,
            "my car",
            [types.MessageEntityTextUrl(0, 6, "https://example.org")],
        ),
        ("2 * 3 < 7 & 1_000", MARKDOWN, "2 * 3 < 7 & 1_000", []),
        ("a <b>new</b> car", HTML, "a new car", [types.MessageEntityBold(2, 3)]),
        ("2 &lt; 3 **", HTML, "2 < 3 **", []),
        ("a **new** <b>car</b> &amp;", PLAIN, "a **new** <b>car</b> &amp;", []),
    ],
)
def test_markup_is_read_in_its_format_only(
    text: str, markup: Format, visible: str, entities: list[object]
) -> None:
    assert parse(Message(text, markup)) == (visible, tuple(entities))


@given(st.text())
def test_a_plain_text_is_what_it_is(text: str) -> None:
    assert parse(Message(text, PLAIN)) == (text, ())


@pytest.mark.parametrize("markup", Format)
@pytest.mark.parametrize("text", ["x" * 4096, CAR * 2048, "ä" * 4096, "x" * 4094 + CAR])
def test_4096_units_pass(text: str, markup: Format) -> None:
    check(Message(text, markup))


@pytest.mark.parametrize(
    ("text", "markup", "length"),
    [
        ("x" * 4097, PLAIN, 4097),
        ("x" * 4097, MARKDOWN, 4097),
        (CAR * 2049, PLAIN, 4098),
        ("x" * 4095 + CAR, PLAIN, 4097),
        ("*" * 4097, PLAIN, 4097),
        ("**" + "x" * 5000 + "**", MARKDOWN, 5000),
        ("<b>" + "x" * 5000 + "</b>", HTML, 5000),
    ],
)
def test_a_longer_text_is_refused_with_its_length(text: str, markup: Format, length: int) -> None:
    with pytest.raises(MessageError) as caught:
        check(Message(text, markup))
    assert f"{length} characters as Telegram counts them" in str(caught.value)
    assert f"Shorten it by {length - TEXT_LIMIT}" in str(caught.value)
    assert "nothing was sent" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("**" + "x" * 4096 + "**", MARKDOWN),
        ("<b>" + "x" * 4096 + "</b>", HTML),
        ("&amp;" * 4096, HTML),
        ("[x](https://example.org/" + "y" * 5000 + ")", MARKDOWN),
    ],
)
def test_markup_does_not_count(text: str, markup: Format) -> None:
    check(Message(text, markup))


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        *(("", markup) for markup in Format),
        *((" \n\t ", markup) for markup in Format),
        ("<b></b>", HTML),
        ("<b> </b>\n<i>\n</i>", HTML),
        ("&nbsp;", HTML),
        ("** **", MARKDOWN),
        ("` `", MARKDOWN),
    ],
)
def test_a_message_of_which_nothing_is_seen_is_empty(text: str, markup: Format) -> None:
    with pytest.raises(MessageError, match="the message is empty; nothing was sent"):
        check(Message(text, markup))


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(Format))
def test_any_text_is_taken_or_refused_in_words(text: str, markup: Format) -> None:
    message = Message(text, markup)
    try:
        check(message)
    except MessageError as error:
        assert "nothing was sent" in str(error)  # noqa: PT017 - both ways are right
    else:
        units = len(parse(message)[0].encode("utf-16-le")) // 2
        assert 0 < units <= TEXT_LIMIT
