"""No secret that came by an option is repeated in a hint or an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from broadcast.cli import run
from broadcast.cli.parsing import cli, every_command, place_of

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "1" + "AbCdEfGh" * 44 + "="  # as long as a string session
COMMANDS = sorted(
    command.name or ""
    for command in every_command(cli)
    if any(parameter.name == "session" for parameter in command.params)
)
WORDS = {"send": ["hello there"], "edit": ["6ff", "x y"], "recall": ["6ff"], "preview": ["x y"]}


@pytest.mark.parametrize("joined", [True, False])
def test_the_next_command_names_the_option_and_not_the_secret(joined: bool) -> None:
    said = [f"--session={SECRET}"] if joined else ["--session", SECRET]
    told = place_of(["hello there", "--sandbox", *said])
    assert SECRET[:20] not in told
    assert told.startswith(" --sandbox --session ")
    assert place_of(["x", "--session", "work"]) == " --session work"


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("more", [[], ["--no-such-option"], ["--server", "nowhere"]])
def test_no_error_repeats_it(
    name: str,
    more: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = [name, *WORDS.get(name, []), "--session", SECRET, "--home", str(tmp_path), *more]
    run(arguments)
    told = capsys.readouterr()
    assert SECRET[:20] not in told.out + told.err
