"""A message file: what its front matter says, and the text below."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.core.errors import MessageError
from broadcast.core.model import Format, Message
from broadcast.message.front_matter import read_front_matter, settings_in_name
from broadcast.message.schema import SETTINGS
from broadcast.message.text import check


@pytest.mark.parametrize(
    "text",
    [
        "Hello",
        "",
        "--- Hello ---",
        "---\nDear all: hello",
        "---\nHello",  # nothing closes it: a text that starts with a rule
        "Hello\n---\nsilent: yes\n---\n",
        "\n---\nHello",
        "-----\nSALE\n-----",
        "+ one\n+ two\n",
        "-- \nAna",
        "+++ news +++\nsilent: yes",
    ],
)
def test_any_other_file_is_all_text(text: str) -> None:
    assert read_front_matter(text, "m.md") == ({}, {}, text)


def test_front_matter_and_text() -> None:
    given, lines, text = read_front_matter(
        "---\nsilent: yes\nlink-preview: off\n"
        "files:\n  - a.jpg\n  - b.jpg\n"
        'buttons:\n  - ["A=https://a", "B=https://b"]\n  - C=https://c\n'
        "---\n\nHello\n---\nthere",
        "m.md",
    )
    assert given == {
        "silent": "yes",
        "link_preview": "off",
        "files": ("a.jpg", "b.jpg"),
        "buttons": (("A=https://a", "B=https://b"), "C=https://c"),
    }
    assert lines == {"silent": 2, "link_preview": 3, "files": 4, "buttons": 7}
    assert text == "\nHello\n---\nthere"


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_lines_may_end_as_on_any_system(ends: str) -> None:
    assert read_front_matter(ends.join(["---", "pin: yes", "---", "x"]), "m.md")[0] == {
        "pin": "yes"
    }


@pytest.mark.parametrize("text", ["---\nsilent: yes\nHello", "---\r\nlink-preview: off\r\n--\r\n"])
def test_front_matter_without_an_end_is_not_sent(text: str) -> None:
    with pytest.raises(MessageError, match=r"m\.md:1: this is front matter without an end"):
        read_front_matter(text, "m.md")


def test_front_matter_may_be_empty() -> None:
    assert read_front_matter("---\n---\nx", "m.md") == ({}, {}, "x")
    assert read_front_matter("---\n# none\n---\nx", "m.md") == ({}, {}, "x")


@pytest.mark.parametrize(
    ("front", "line", "words"),
    [
        ("sillent: yes", 2, "unknown key 'sillent': did you mean silent"),
        ("schedule: 18:00", 2, "use at, in and zone"),
        ("nonsense: 1", 2, "the keys are as_document, at"),
        ("silent: yes\nsilent: no", 3, "given twice"),
        ("- silent", 2, "keys with values"),
        ("just words", 2, "keys with values"),
        ("silent: {a: b}", 2, "a text or a list"),
        ("files: [{a: b}]", 2, "expected a text"),
        ("files: [[[a]]]", 2, "expected a text"),
        ('pin: yes\nfiles: "a', 3, "not YAML"),
        ("silent: *x", 2, "the alias"),
        ("a: [" + "[" * 50, 2, "lists within lists"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(front: str, line: int, words: str) -> None:
    with pytest.raises(MessageError, match=words) as error:
        read_front_matter(f"---\n{front}\n---\nx", "m.md")
    assert str(error.value).startswith(f"m.md:{line}: ")
    assert str(error.value).endswith(("; nothing was sent", "? Nothing was sent"))


BEFORE = st.text(st.sampled_from(" \t\n\r\ufeff\u200b\u2060\u00a0"), max_size=6)
RULES = st.sampled_from(["---", "+++", "--", "----", "\u2014", "\u2014-", "--- \t"])
KEYS = st.sampled_from([setting.name for setting in SETTINGS]).flatmap(
    lambda name: st.sampled_from([name, name.replace("_", "-"), name.title(), f'"{name}"'])
)
ENDS = st.sampled_from(["\n", "\r\n"])


@given(BEFORE, RULES, KEYS, st.tuples(st.sampled_from([":", ": ", " = "]), ENDS), st.booleans())
def test_what_opens_front_matter_is_never_sent(
    before: str, rule: str, key: str, signs: tuple[str, str], closes: bool
) -> None:
    """It is read, or refused: a message file is text only where it looks like nothing else."""
    sign, end = signs
    lines = [rule, f"{key}{sign}yes", *([rule] if closes else []), "Hello"]
    text = before + end.join(lines)
    try:
        given, _, left = read_front_matter(text, "m.md")
    except MessageError as error:
        told = str(error)
    else:
        told = "m.md: nothing was sent"
        assert (list(given), left) == ([key.strip('"').lower().replace("-", "_")], "Hello")
    assert told.startswith("m.md:")
    assert "nothing was sent" in told
    with pytest.raises(MessageError, match=r"begins with front matter .*--message-file FILE"):
        check(Message(text, Format.PLAIN))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\n---\nat: 18:00\n---\nHi", "m.md:2: front matter is read at the very start"),
        (" ---\nsilent: yes\n---\nHi", "m.md:1: front matter is read at the very start"),
        ("\n\n---\nunknown: yes\n---\nHi", "m.md:3: front matter is read at the very start"),
        ("\n---\njust words\n---\nHi", "m.md:2: front matter is read at the very start"),
        ("\ufeff---\nat: 18:00\n---\nHi", "m.md:1: front matter is read at the very start"),
        ('+++\nat = "18:00"\n+++\nHi', "m.md:1: front matter is written in YAML"),
        ("+++\nwords\n+++\nHi", "m.md:1: front matter is written in YAML"),
        ("\u2014\nat: 18:00\n\u2014\nHi", "m.md:1: this looks like front matter"),
        ("---\n# when\n\nat: 18:00\nHi", "m.md:1: this is front matter without an end"),
        ("---\nat: 18:00\n ---\nHi", "m.md:1: this is front matter without an end"),
    ],
)
def test_front_matter_at_the_wrong_place_is_refused(text: str, told: str) -> None:
    with pytest.raises(MessageError, match="write two lines --- above it") as caught:
        read_front_matter(text, "m.md")
    assert str(caught.value).startswith(told)


def test_a_text_that_looks_like_front_matter_can_be_sent() -> None:
    text = "---\nDinner\n---\nat eight"
    assert read_front_matter(f"---\n---\n{text}", "m.md") == ({}, {}, text)
    check(Message(text))


def test_a_second_front_matter_is_no_text() -> None:
    """Two files put together, say."""
    _, _, text = read_front_matter("---\nsilent: yes\n---\n---\nat: 18:00\n---\nHi", "m.md")
    with pytest.raises(MessageError, match="begins with front matter"):
        check(Message(text))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("news.html", {"format": "html"}),
        ("NEWS.HTM", {"format": "html"}),
        ("news.md", {"format": "md"}),
        ("a.b/news.markdown", {"format": "md"}),
        ("news.txt", {"format": "plain"}),
        ("news.j2", {"template": "yes"}),
        ("news.html.j2", {"format": "html", "template": "yes"}),
        ("news.TXT.J2", {"format": "plain", "template": "yes"}),
        ("news", {}),
        ("news.html.bak", {}),
        (".html", {}),
        ("/dev/fd/63", {}),
    ],
)
def test_the_name_of_a_file_says_what_is_in_it(name: str, said: dict[str, str]) -> None:
    assert settings_in_name(name) == said
