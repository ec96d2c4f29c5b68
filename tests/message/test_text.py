"""What a reader sees of a message, and how long Telegram finds it."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from html import escape
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon.tl import types

from broadcast.core.errors import MessageError
from broadcast.core.model import Attachment, Contact, Format, Media, Message
from broadcast.core.peers import parse_peer
from broadcast.message.cleaning import clean
from broadcast.message.personal import personal
from broadcast.message.text import (
    CAPTION_LIMIT,
    ENTITIES_LIMIT,
    TEXT_LIMIT,
    check,
    length,
    parse,
    parts,
)

MARKDOWN, HTML, PLAIN = Format.MARKDOWN, Format.HTML, Format.PLAIN
CAR = "\N{AUTOMOBILE}"  # two UTF-16 units
PHOTO = Attachment("/car.jpg", Media.PHOTO, "0" * 64, 1)
NOW = datetime(2026, 12, 24, 18, 0, tzinfo=UTC)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


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


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("<ins>a</ins>", ["Underline"]),
        ("<strike>a</strike>", ["Strike"]),
        ('<span class="tg-spoiler">a</span>', ["Spoiler"]),
        ("<TG-SPOILER>a</TG-SPOILER>", ["Spoiler"]),
        ("<b>a<b>a</b>a</b>", ["Bold"]),
        ("<strong>a<b>a</b>a</strong>", ["Bold"]),
        ("<b>a<i>a</b>a</i>", ["Bold", "Italic"]),
        ("<pre><code class='language-c'>a</code></pre>", ["Pre"]),
        ("<a href='https://a.b'>a<b>a</b>a</a>", ["TextUrl", "Bold"]),
        ("1 < 2 <3 a<", []),
    ],
)
def test_each_tag_of_telegram_is_known(text: str, kinds: list[str]) -> None:
    visible, entities = parse(Message(text, HTML))
    assert [type(entity).__name__.removeprefix("MessageEntity") for entity in entities] == kinds
    if kinds:
        assert visible == "a" * len(visible)
        assert entities[0].length == len(visible) or len(kinds) == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a\n<font color='red'>b</font>", "line 2 of the HTML: <font>"),
        ("Dear <Ana>", "line 1 of the HTML: <ana>"),
        ("a<br>b", "start a new line instead"),
        ("<p>a</p>", "leave a line empty instead"),
        ("a</p>", "<p>"),
        ("<span>a</span>", 'only <span class="tg-spoiler">'),
        ("a\n<b>b\nc", "line 2 of the HTML: <b> is never closed"),
        ("<b>a</b></b>", "</b> closes nothing"),
        ("a</i>", "</i> closes nothing"),
        ("<a>b</a>", "<a> needs its href"),
        ("<tg-emoji>b</tg-emoji>", "<tg-emoji> needs its emoji-id"),
        ("<tg-emoji emoji-id='x'>b</tg-emoji>", "is a number"),
        ("a<!-- b -->c", "a comment"),
        ("<!DOCTYPE html>c", "<! begins no tag"),
        ("<?php c ?>d", "<? begins no tag"),
        ("<script>a</script>", "<script>"),
    ],
)
def test_what_html_would_drop_is_told(text: str, told: str) -> None:
    with pytest.raises(MessageError) as caught:
        check(Message(text, HTML))
    assert told in str(caught.value)
    assert str(caught.value).endswith("; nothing was sent")


@given(st.text())
def test_a_plain_text_is_what_it_is(text: str) -> None:
    assert parse(Message(text, PLAIN)) == (clean(text), ())


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


# HTML, where Telethon's own parser loses or misplaces something.


@pytest.mark.parametrize(
    ("text", "visible", "entities"),
    [
        ("AT&T", "AT&T", []),
        ("<b>x</b> at AT&T", "x at AT&T", [types.MessageEntityBold(0, 1)]),
        ("2 &gt 1 &", "2 > 1 &", []),
        ("&#128663;<b>x</b>", f"{CAR}x", [types.MessageEntityBold(2, 1)]),
        ("&Afr;<b>x</b>", "\U0001d504x", [types.MessageEntityBold(2, 1)]),
        ("a <tg-spoiler>b</tg-spoiler>", "a b", [types.MessageEntitySpoiler(2, 1)]),
        (
            "<b>a <i>b</i></b>",
            "a b",
            [types.MessageEntityBold(0, 3), types.MessageEntityItalic(2, 1)],
        ),
    ],
)
def test_html_arrives_whole(text: str, visible: str, entities: list[object]) -> None:
    assert parse(Message(text, HTML)) == (visible, tuple(entities))


# The values of a template.


def said(text: str, markup: Format, **fields: str) -> Message:
    contact = Contact(parse_peer("@ana"), fields=fields)
    return personal(Message(text, markup, template=True), contact, NOW)


@pytest.mark.parametrize(
    ("text", "markup", "fields", "visible", "entities"),
    [
        ("Hi {{ a }}!", MARKDOWN, {"a": "*Ana_"}, "Hi *Ana_!", []),
        ("**{{ a }}** b", MARKDOWN, {"a": "**x**"}, "**x** b", [types.MessageEntityBold(0, 5)]),
        ("**{{ a }}** b", MARKDOWN, {"a": CAR}, f"{CAR} b", [types.MessageEntityBold(0, 2)]),
        (
            "{{ a }}**b**{{ a }}__c__{{ a }}",
            MARKDOWN,
            {"a": CAR},
            f"{CAR}b{CAR}c{CAR}",
            [types.MessageEntityBold(2, 1), types.MessageEntityItalic(5, 1)],
        ),
        ("**{{ a }}**b", MARKDOWN, {"a": ""}, "b", []),
        ("{{ a }}**b**{{ a }}", MARKDOWN, {"a": " \n "}, "b", [types.MessageEntityBold(0, 1)]),
        ("**{{ a }}b{{ a }}**", MARKDOWN, {"a": "  "}, "b", [types.MessageEntityBold(0, 1)]),
        ("`{{ a }}`", MARKDOWN, {"a": "`x`"}, "`x`", [types.MessageEntityCode(0, 3)]),
        ("```{{ a }}```", MARKDOWN, {"a": "a\nb"}, "a\nb", [types.MessageEntityPre(0, 3, "")]),
        (
            "[{{ a }}]({{ u }})!",
            MARKDOWN,
            {"a": "x](y)", "u": "https://e.org/(a)?b=**"},
            "x](y)!",
            [types.MessageEntityTextUrl(0, 5, "https://e.org/(a)?b=**")],
        ),
        (
            '<a href="https://e.org/?q={{ u }}&amp;r={{ a }}">{{ a }}</a>',
            HTML,
            {"a": "<b>&amp;", "u": '"'},
            "<b>&amp;",
            [types.MessageEntityTextUrl(0, 8, 'https://e.org/?q="&r=<b>&amp;')],
        ),
        ("<i>{{ a }}</i>", HTML, {"a": "</i>&lt;"}, "</i>&lt;", [types.MessageEntityItalic(0, 8)]),
        ("&#xfdd0;&#64976;&lt{{ a }}", HTML, {"a": "x"}, "<x", []),
        ("{{ a }}", PLAIN, {"a": "**x**"}, "**x**", []),
        ("\ufdd0\ufde0{{ a }}", MARKDOWN, {"a": "\ufdd0\ufde0"}, "\ufdd0\ufde0" * 2, []),
    ],
)
def test_a_value_is_never_markup(
    text: str, markup: Format, fields: dict[str, str], visible: str, entities: list[object]
) -> None:
    assert parse(said(text, markup, **fields)) == (visible, tuple(entities))


def test_a_link_needs_an_address() -> None:
    with pytest.raises(MessageError, match="the link 'shop' has an empty address"):
        check(said("our [shop]({{ u }})", MARKDOWN, u=" "))


class Piece:
    """A piece of a message, as its author writes it in a format and as a reader sees it."""

    def __init__(self, kind: str, text: str) -> None:
        self.kind, self.text = kind, text

    def written(self, markup: Format) -> str:
        inner = "{{ value }}" if self.kind.startswith("value") else self.text
        signs = {
            MARKDOWN: {
                "bold": "**%s**",
                "italic": "__%s__",
                "code": "`%s`",
                "link": "[%s](https://e.org)",
            },
            HTML: {
                "bold": "<b>%s</b>",
                "italic": "<i>%s</i>",
                "code": "<code>%s</code>",
                "link": '<a href="https://e.org">%s</a>',
            },
            PLAIN: {},
        }
        if inner is self.text and markup is HTML:
            inner = escape(inner, quote=False)
        return signs[markup].get(self.kind.rpartition(" ")[2], "%s").replace("%s", inner)

    def seen(self, value: str) -> str:
        return clean(value) if self.kind.startswith("value") else self.text

    def __repr__(self) -> str:
        return f"{self.kind}: {self.text!r}"


KINDS = st.sampled_from(["", "bold", "italic", "code", "link"])
LETTERS = st.text(st.sampled_from(f"ab {CAR}\nä\ufdd0\ufde0&.<"), min_size=1, max_size=8)
PIECES = st.lists(
    st.one_of(
        st.builds(Piece, KINDS, LETTERS.filter(lambda text: bool(text.strip()))),
        st.builds(Piece, KINDS.map("value {}".format), st.just("")),
    ),
    min_size=1,
    max_size=6,
)  # fmt: skip


@given(PIECES, ANY_TEXT, st.sampled_from(Format))
def test_any_value_in_any_template_arrives_unchanged(
    pieces: list[Piece], value: str, markup: Format
) -> None:
    """The oracle joins what a reader sees; no parser and no placeholder has a part in it."""
    source = "|".join(piece.written(markup) for piece in pieces) + "|end"
    text, entities = parse(said(source, markup, value=value))
    visible = "|".join(piece.seen(value) for piece in pieces) + "|end"
    assert text.strip() == visible.strip()
    kinds = {"bold": "Bold", "italic": "Italic", "code": "Code", "link": "TextUrl"}
    if markup is PLAIN:
        assert entities == ()
        return
    told = ((piece.kind.rpartition(" ")[2], piece.seen(value).strip()) for piece in pieces)
    expected = [(kinds[kind], shown) for kind, shown in told if kind and shown]
    found = [(type(e).__name__.removeprefix("MessageEntity"), inside(text, e)) for e in entities]
    assert [(kind, shown.strip()) for kind, shown in found if shown.strip()] == expected


def inside(text: str, entity: Any) -> str:
    units = text.encode("utf-16-le")[2 * entity.offset : 2 * (entity.offset + entity.length)]
    return units.decode("utf-16-le")  # strict: no half of a pair


@given(ANY_TEXT)
def test_a_plain_template_of_one_value_is_the_value(value: str) -> None:
    assert parse(said("{{ value }}", PLAIN, value=value)) == (clean(value), ())


# Captions, and too much formatting.


def test_a_caption_has_1024_units_and_may_be_empty() -> None:
    check(Message("", files=(PHOTO,)))
    check(Message(CAR * 512, files=(PHOTO,)))
    with pytest.raises(MessageError, match=r"the caption is too long: 1025 .* allows 1024"):
        check(Message("x" * 1025, files=(PHOTO,)))
    check(Message("x" * 1025, files=(PHOTO,), split=True))


def test_formatting_that_telegram_would_drop_is_refused_or_split() -> None:
    check(Message("**x** " * ENTITIES_LIMIT))
    much = "**x** " * (ENTITIES_LIMIT + 1)
    with pytest.raises(MessageError, match="101 pieces of formatting"):
        check(Message(much))
    cut = parts(Message(much, split=True))
    assert [len(entities) for _, entities in cut] == [100, 1]
    assert cut[1] == ("x", (types.MessageEntityBold(0, 1),))


# Splitting.


def cut(text: str, **options: Any) -> list[str]:
    return [part for part, _ in parts(Message(text, PLAIN, split=True, **options))]


def test_what_is_not_to_be_split_or_is_short_is_one_part() -> None:
    assert parts(Message("x" * 5000, PLAIN)) == (("x" * 5000, ()),)
    assert cut("a\n\nb") == ["a\n\nb"]
    assert cut("") == [""]
    assert cut(" \n" * 5000 + "x") == ["x"]
    assert cut(" " * 5000) == [""]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("a. b\nc\n\n" * 600, "a. b\nc"),  # a paragraph
        ("a. bcd efg\n" * 600, "a. bcd efg"),  # a line
        ("One two three. " * 600, "three."),  # a sentence
        ('"One two three?!" ' * 600, 'three?!"'),
        ("一二三四五。" * 1000, "一二三四五。"),
        ("one two three " * 600, ""),  # a word
    ],
)
def test_a_text_is_cut_where_a_reader_pauses(text: str, first: str) -> None:
    made = cut(text)
    assert all(part.endswith(first) for part in made[:-1])
    assert all(TEXT_LIMIT - 20 < len(part) <= TEXT_LIMIT for part in made[:-1])
    assert made[0][-1].isspace() is False


def test_a_pause_near_the_start_is_no_reason_for_a_small_part() -> None:
    assert len(cut("Title\n\n" + "word " * 1000)[0]) > 4000
    assert cut("Title " + "x" * 5000)[0] == "Title"  # the one place there is


@pytest.mark.parametrize(
    "one",
    [
        CAR,
        "e\u0301",
        "👩\u200d👩\u200d👧",
        "👍🏽",
        "🇪🇸",
        "❤\ufe0f",
        "각".encode().decode(),
        "1\ufe0f\u20e3",
    ],
)
def test_what_reads_as_one_character_is_not_torn(one: str) -> None:
    for lead in range(8):
        text = "x" * lead + one * 5000
        made = cut(text)
        assert "".join(made) == text
        assert all(part.removeprefix("x" * lead).replace(one, "") == "" for part in made)


def test_marks_without_end_are_cut_all_the_same() -> None:
    assert [len(part) for part in cut("e" + "\u0301" * 5000)] == [4096, 905]


def test_with_files_the_first_part_is_the_caption() -> None:
    made = cut("word " * 1500, files=(PHOTO,))
    assert [len(part) for part in made] == [CAPTION_LIMIT, TEXT_LIMIT - 2, 2379]


def test_an_entity_that_is_cut_goes_on_in_the_next_part() -> None:
    link = types.MessageEntityTextUrl
    made = parts(Message("[" + "word " * 1000 + "](https://e.org) **end**", split=True))
    assert [part[1] for part in made] == [
        (link(0, 4094, "https://e.org"),),
        (link(0, 905, "https://e.org"), types.MessageEntityBold(906, 3)),
    ]


LONG = st.lists(
    st.tuples(
        st.sampled_from(
            ["word ", "x", f"{CAR} ", CAR, "\n\n", "\n", ". ", " \t", "e\u0301", "👍🏽", "\u2003"]
        ),
        st.integers(1, 3000),
    ),
    max_size=8,
).map(lambda runs: "".join(text * times for text, times in runs))


@given(LONG, st.booleans(), st.booleans())
def test_splitting_loses_no_character(text: str, has_file: bool, is_bold: bool) -> None:
    source = f"<b>{text}</b> end" if is_bold else text
    files = (PHOTO,) if has_file else ()
    made = parts(Message(source, HTML, split=True, files=files))
    visible = clean(f"{text} end" if is_bold else text)
    rest = visible
    for part, _ in made:  # the parts, and between them nothing but white space
        rest = rest.lstrip()
        assert rest.startswith(part)
        rest = rest[len(part) :]
    assert not rest.strip()
    for number, (part, entities) in enumerate(made):
        assert length(part) <= (CAPTION_LIMIT if has_file and number == 0 else TEXT_LIMIT)
        assert part == part.strip()
        assert part or (len(made) == 1 and not visible.strip())
        assert len(entities) <= ENTITIES_LIMIT
        for entity in entities:
            assert 0 <= entity.offset < entity.offset + entity.length <= length(part)
    if is_bold:
        bold = "".join(inside(part, entity) for part, entities in made for entity in entities)
        assert re.sub(r"\s", "", bold) == re.sub(r"\s", "", text)


@given(ANY_TEXT)
def test_a_length_counts_utf_16_units(text: str) -> None:
    assert length(text) == sum(2 if ord(character) > 0xFFFF else 1 for character in text)


def test_a_text_without_markup_loads_neither_telethon_nor_jinja() -> None:
    code = (
        "import sys; from broadcast.core.model import Message;"
        "from broadcast.message.personal import personal;"
        "from broadcast.message.text import check, parts;"
        "m = Message('a car', split=True); check(m); parts(m);"
        "assert not {'telethon', 'jinja2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
