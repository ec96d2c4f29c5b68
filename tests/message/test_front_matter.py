"""A message file: what its front matter says, and the text below."""

from __future__ import annotations

import pytest

from broadcast.core.errors import MessageError
from broadcast.message.front_matter import read_front_matter


@pytest.mark.parametrize(
    "text",
    [
        "Hello",
        "",
        "--- Hello ---",
        "---\nDear all: hello",
        "---\nHello",  # nothing closes it: a text that starts with a rule
        "Hello\n---\nsilent: yes\n---\n",
        " ---\nsilent: yes\n---\n",
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
    assert str(error.value).endswith("; nothing was sent")
