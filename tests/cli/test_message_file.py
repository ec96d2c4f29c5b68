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


def test_a_message_file_through_a_pipe_is_not_sent_as_it_is(shell: Shell) -> None:
    written = b"---\nat: 2030-01-01 18:00\n---\nHi"
    told = ("begins with front matter (at: ", "--message-file FILE", "nothing was sent")
    shell.refuses("-", "--sandbox", "--yes", told=told, stdin=written)
    shell.refuses("--sandbox", "--yes", "--", written.decode(), told=told)


@pytest.mark.parametrize(
    ("name", "text", "options", "arrives"),
    [
        ("m.html", "<b>x</b>", (), "x"),
        ("m.md", "**x**", (), "x"),
        ("m.txt", "2 ** 3", (), "2 ** 3"),
        ("m.html.j2", "<b>{{ name }}</b>", (), "Bo"),
        ("m.html", "---\nformat: md\n---\n**x**", (), "x"),
        ("m.html", "**x**", ("--format", "md"), "x"),
        ("m.j2", "{{ name }}", ("--no-template",), "{{ name }}"),
    ],
)
def test_the_name_of_a_file_is_the_first_to_say_and_an_option_the_last(
    shell: Shell, name: str, text: str, options: tuple[str, ...], arrives: str
) -> None:
    assert sent(shell, "--message-file", shell.write(name, text), *options) == arrives


def test_a_forgotten_template_is_refused_in_every_command(shell: Shell) -> None:
    told = (
        "says {{ first_name }}, and everybody would read just that",
        "--template",
        "--no-template",
    )
    text = "Hi {{ first_name }}"
    shell.refuses(text, "--sandbox", "--yes", told=told)
    shell.refuses(text, "--sandbox", "--yes", "--dry-run", told=told)
    shell.refuses("preview", text, "--sandbox", told=told)
    shell.refuses("--sandbox", "--message-file", shell.write("m.md", text), told=told)
    assert sent(shell, text, "--no-template") == text
    assert (
        sent(shell, "--message-file", shell.write("n.md", f"---\ntemplate: no\n---\n{text}"))
        == text
    )
    assert sent(shell, text, "--template") == "Hi Bo"


def test_marks_of_another_format_are_refused_where_nobody_can_be_asked(shell: Shell) -> None:
    told = ("has '<b>' in it, and everybody would read just that in markdown", "nothing was sent")
    shell.refuses("a <b>car</b>", "--sandbox", told=told)
