"""A message as a file, stdin or an argument has it, and as it arrives."""

from __future__ import annotations

import json

import pytest

from tests.test_cli import Shell, shell

__all__ = ["shell"]


def sent(shell: Shell, *arguments: str, stdin: bytes | None = None) -> str:
    """The text that everybody would get."""
    result = shell.run("preview", *arguments, "--json", "--to", "@bobo", stdin=stdin)
    assert result.returncode == 0, result.stderr
    (row,) = map(json.loads, result.stdout.splitlines())
    return row["parts"][0]["text"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\r\r\n"])
def test_a_line_ends_the_same_whoever_wrote_it(shell: Shell, end: str) -> None:
    data = end.join(["---", "silent: yes", "---", "One", "", "two", ""]).encode()
    name = shell.write("m.md", data)
    assert sent(shell, "--message-file", name) == "One\n\ntwo"
    assert sent(shell, "-", stdin=end.join(["One", "two", ""]).encode()) == "One\ntwo"


def test_a_text_is_cleaned_wherever_it_comes_from(shell: Shell) -> None:
    written = "One\t**t\u202ewo**\x07"
    name = shell.write("m.md", '---\ntext: "One\\t**t\\u202ewo**\\a"\n---\n')
    own = "contacts:\n  - {peer: '@bobo', message: {text: \"One\\t**t\\u202ewo**\\a\"}}\n"
    assert sent(shell, written) == "One two"
    assert sent(shell, "--message-file", name) == "One two"
    shell.write("contacts.yaml", own)
    assert sent(shell, "Else") == "One two"
