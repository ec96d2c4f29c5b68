"""The marks of another format: everybody would read them as letters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.core.asker import Ask
from broadcast.core.model import Button, Format, Forward, Message
from broadcast.core.peers import parse_peer
from broadcast.message.doubts import doubts

MARKDOWN, HTML, PLAIN = Format.MARKDOWN, Format.HTML, Format.PLAIN
OTHER = {
    MARKDOWN: ["<b>x</b>", "<i>", "</a>", "<br/>", '<a href="https://a.b">x</a>', "&amp;",
               "&#8364;", "*x*", "*two words*", "_x_"],
    HTML: ["**x**", "__x y__", "~~x~~", "||x||", "`x`", "[a](https://a.b)", "*x*", "_x_",
           "```x```"],
    PLAIN: ["<b>x</b>", "**x**", "__x__", "[a](https://a.b/c)"],
}  # fmt: skip
OWN = {
    MARKDOWN: ["**x**", "__x__", "`<b>`", "```\n<b>\n```", "[a](https://a.b/_x_/*y*)", "~~x~~",
               "||x||"],
    HTML: ["<b>x</b>", "<code>**x**</code>", "<pre>`x`</pre>",
           '<a href="https://a.b/**x**">x</a>'],
    PLAIN: ["*x*", "_x_", "2 ** 3 ** 4"],
}  # fmt: skip
NEITHER = [
    "2 * 3 * 4", "5*3*2", "a_b_c", "snake_case_name", "* one\n* two", "1 < 2 > 0", "AT&T", "<3",
    ":-*", "*_*", "^_^", "Dear <Ana>", "a & b", "https://e.org/a_b_/*c*", "[a] (b)", "5 ~ 6 ~ 7",
    "_", "**", "¯\\_(ツ)_/¯", "^_^ x ^_^", "-_- and -_-", "(*) x (*)", "@_ana_", "#_tag_",
    "e.org/_next_/x", "1 <b and c> 2", "[1]", "[a]", "$x", "5%", "C:\\new\\Name.txt",
    "\\\\server\\New", "$\\nabla$", "«MAÇÃ»", "CAFÉ…", "„MENÜ“", "IRMÃ…", "É™", "çÃo", "ÑÑ",
    "👨‍👩‍👧 🇪🇸", "سلام علی", "שלום", "می‌خواهم",
]  # fmt: skip
LOST = [
    "2**3 = 8, 2**4 = 16", "@my__user__name", "pa**ss**word", "x || y || z", "2 ** 3 ** 4",
    "f*** x s***", "*** x ***", "Date: ____ Name: ____", "un~~believ~~able",
]  # fmt: skip
"""What markdown takes for formatting, and nobody has meant so."""
WORDS = st.text(st.sampled_from("abc é漢.,!\n"), max_size=8)


@pytest.mark.parametrize("markup", Format)
@given(data=st.data(), before=WORDS, after=WORDS)
def test_marks_of_another_format_are_doubted(
    markup: Format, data: st.DataObject, before: str, after: str
) -> None:
    mark = data.draw(st.sampled_from(OTHER[markup]))
    (question,) = doubts(Message(f"{before} {mark} {after}", markup), 7)
    assert (question.code, question.count) == (Ask.OTHER_MARKUP, 7)
    assert question.told.endswith(")")
    assert "everybody would read just that in" in question.told


@pytest.mark.parametrize("markup", Format)
@given(data=st.data(), before=WORDS, after=WORDS)
def test_its_own_marks_and_mere_signs_are_not(
    markup: Format, data: st.DataObject, before: str, after: str
) -> None:
    signs = data.draw(st.sampled_from([*OWN[markup], *NEITHER]))
    assert doubts(Message(f"{before} {signs} {after}", markup), 7) == []


def test_a_value_is_no_mark() -> None:
    text = "{{ name|replace('*a*', '<b>') }} {% if x < 1 %}<b>{% endif %}"
    assert doubts(Message(text, HTML, template=True), 1) == []
    assert len(doubts(Message("*{{ name }}*", template=True), 1)) == 1


def test_what_is_in_braces_is_doubted() -> None:
    (question,) = doubts(Message("Hi {{ cty }}"), 3)
    assert question.told == (
        "the message says {{ cty }}, which is not filled in without --template"
    )
    (question,) = doubts(Message("Hi {name} {{ city }}", template=True), 3)
    assert "says {name}, which is not filled in: only {{ … }} is" in question.told


def test_a_forward_has_no_text() -> None:
    assert doubts(Message("", forward=Forward(parse_peer("@ana"), 1)), 1) == []


def test_a_button_is_never_formatted() -> None:
    buttons = ((Button("**Map**", "https://a.b"), Button("*Map* _x_ & <3", "https://a.b/**x**")),)
    (question,) = doubts(Message("x", buttons=buttons), 2)
    assert question.told == (
        "a button has '**Map**' in it, and everybody would read just that there, since no button "
        "is formatted"
    )


@given(data=st.data(), before=WORDS, after=WORDS)
def test_signs_that_nobody_would_see_are_doubted(
    data: st.DataObject, before: str, after: str
) -> None:
    text = f"{before} {data.draw(st.sampled_from(LOST))} {after}"
    (question,) = doubts(Message(text, MARKDOWN), 7)
    assert (question.code, question.count) == (Ask.OTHER_MARKUP, 7)
    assert "nobody would see its signs" in question.told
    assert doubts(Message(f"```{text}```"), 7) == []


@pytest.mark.parametrize(
    "text",
    [
        "a**b** c",
        "我**买了**车",
        "**a** b**c**",
        "||a|| b",
        "{{ a }}**{{ b }}**{{ c }}",
        "|| a || b",
    ],
)
def test_signs_that_are_formatting_are_not(text: str) -> None:
    assert doubts(Message(text, template="{{" in text), 7) == []


@pytest.mark.parametrize("markup", Format)
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("I bought a car\\!", "has \\! in it"),
        ("One\\nTwo", "has \\n in it"),
        ("one.\\ntwo", "has \\n in it"),
        ("Dear [Name],", "has [Name] in it, which is not filled in"),
        ("Hola [nombre]", "has [nombre] in it"),
        ("Hi %FIRST_NAME%", "has %FIRST_NAME% in it"),
        ("Hi $name", "has $name in it"),
        ("Hi *|FNAME|* *|NAME|*", "has *|NAME|* in it"),
        ("JosÃ© ha comprado", "has 'JosÃ©' in it, as a text has"),
        ("MarÃ\xada", "wrong encoding"),
        ("Itâ€™s", "has 'Itâ€™s' in it"),
        ("caf\ufffd", "wrong encoding"),
    ],
)
def test_what_a_shell_a_draft_or_an_encoding_leaves_is_doubted(
    text: str, told: str, markup: Format
) -> None:
    assert told in " ".join(each.told for each in doubts(Message(text, markup), 1))


@pytest.mark.parametrize("word", ["José", "Привет", "日本語", "مرحبا", "Łódź", "Ὀδυσσεύς", "नमस्ते"])
def test_any_word_that_is_read_in_a_wrong_encoding_is_doubted(word: str) -> None:
    assert doubts(Message(f"{word} «{word}» “{word}” {word}…"), 1) == []
    assert doubts(Message(word.encode().decode("cp1252", "replace")), 1) != []
