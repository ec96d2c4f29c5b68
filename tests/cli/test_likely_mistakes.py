"""For each option of each command its likeliest mistakes, and the words that lead on from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from broadcast import cli
from broadcast.cli.parsing import every_command
from tests.cli.test_slips import HELLO, here, path_of, refuse, words_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.test_slips import Refuse

__all__ = ["here", "refuse"]  # fixtures

QUOTE = "is more of it, write"
NUMBER = "is not a whole number from"
UNIT = "has no unit: write 30s, 30m or 30h"
LENGTH = "is not a length of time: write 90s, 15m, 2h or 1d"
RATE = "neither a number of messages a second nor max: write 5"
BUTTON = "is not a button: expected Text=https://..."
ABOVE = "must be a whole number above 0, such as 42"
PLACE = "name a place, such as Europe/Madrid, or write the offset behind the time"
SERVER = "expected host:port, dc@host:port, or the word test, such as 127.0.0.1:4430"
LOOPBACK = "is not loopback: use 127.0.0.1"
POST = "is not the link of a message: expected https://t.me/name/123"
TIME = "is not a time: write 2026-12-24 18:00, or 18:00"

# What is typed behind `broadcast send 'Hello all'`, or behind the command that is named first.
TABLE: dict[str, list[tuple[str, str]]] = {
    "--contacts": [
        ("--contacts none.yaml", "none.yaml: cannot be read"),
        ("--contacts a.yaml b.yaml", QUOTE),
        ("--contacts a.yaml --contacts b.yaml", "--contacts: give it once"),
    ],
    "--to": [
        ("--to best madrid", "--to madrid; if madrid is more of it, write --to 'best madrid'"),
        ("--to friends", "--to 'friends' matches nobody"),
        ("--to @nobody", "--to '@nobody' matches nobody"),
    ],
    "--exclude": [
        ("--exclude Carmen Ruiz", "--exclude 'Carmen Ruiz'"),
        ("--exclude friends", "--exclude 'friends' matches nobody"),
        ("--exclude best,", "empty selector"),
    ],
    "--encoding": [
        ("--encoding excel", "there is no such encoding; Excel's are cp1252 and utf-16"),
        ("--encoding", "--encoding needs a value"),
        ("--encoding utf 16", "--encoding 'utf 16'"),
    ],
    "--once": [
        ("--once --dry-run", "--once needs a value, and --dry-run is an option"),
        ("--once", "--once needs a value: write --once KEY"),
        ("--once menu monday", "--once 'menu monday'"),
    ],
    "--message-file": [
        ("--message-file contacts.yaml", "not both"),
        ("--message-file", "write --message-file FILE"),
        ("-m contacts.yaml", "did you mean --message-file or --max-failures"),
    ],
    "--format": [
        ("--format markdown", "not 'markdown' (did you mean md?); nothing"),
        ("--format rtf", "must be one of md, html, plain"),
        ("--format", "needs a value"),
    ],
    "--file": [
        ("--file none.jpg", "none.jpg: cannot be read"),
        ("--file contacts.yaml none.jpg", "if none.jpg is another, write --file none.jpg"),
        ("--file .", "is not a regular file"),
    ],
    "--thumbnail": [
        ("--thumbnail a.jpg", "--thumbnail is for files, and there are none"),
        ("--file contacts.yaml --thumbnail contacts.yaml", "is not a JPEG picture"),
        ("--file contacts.yaml --thumbnail none.jpg", "--thumbnail"),
    ],
    "--button": [
        ("--button Visit", BUTTON),
        ("--button Visit=example.org", BUTTON),
        ("--button Visit us=https://example.org", "--button 'Visit us=https://example.org'"),
    ],
    "--row": [
        ("--row A=https://a.b B=https://b.c", "if B=https://b.c is another"),
        ("--row A", f"--row 'A' {BUTTON}"),
        ("--row A=https://a.b --button B=https://a.b", "give all buttons with --row"),
    ],
    "--link-preview": [
        ("--link-preview no", "must be one of below, above, off"),
        ("--link-preview true", "must be one of below, above, off"),
        ("--no-link-preview", "did you mean --link-preview?"),
    ],
    "--reply-to": [
        ("--reply-to https://t.me/c/5", ABOVE), ("--reply-to #5", ABOVE), ("--reply-to 0", ABOVE),
    ],
    "--send-as": [
        ("--send-as shop", "write @shop for a username"),
        ("--send-as My Channel", "--send-as 'My Channel'"),
        ("--send-as https://example.org", "expected https://t.me/name"),
    ],
    "--effect": [("--effect fire", ABOVE), ("--effect -1", ABOVE), ("--effect 1.5", ABOVE)],
    "--forward": [
        ("--forward 123", POST), ("--forward https://t.me/shop", POST),
        ("--forward https://t.me/shop/1", "leave out the text, --file and --button"),
    ],
    "--at": [
        ("--at 2026-12-24 18:00", "--at '2026-12-24 18:00'"), ("--at tomorrow", TIME),
        ("--at 6pm", TIME),
    ],
    "--in": [("--in 30", UNIT), ("--in tomorrow", LENGTH), ("--in 1h --at 18:00", "go with --in")],
    "--zone": [
        ("--zone CEST --at 18:00", PLACE), ("--zone GMT+2 --at 18:00", PLACE),
        ("--zone Madrid --at 18:00", "Did you mean Europe/Madrid? Nothing was sent"),
    ],
    "--zone-of": [
        ("--zone-of me --at 18:00", "must be one of recipient"),
        ("--zone-of recipients --at 18:00", "did you mean recipient?"),
        ("--zone-of recipient", "add --at"),
    ],
    "--not-later-than": [
        ("--not-later-than 30 --in 1h", UNIT), ("--not-later-than 18:00 --in 1h", LENGTH),
        ("--not-later-than 30m", "give --at or --in"),
    ],
    "--rate": [("--rate fast", RATE), ("--rate 5/s", RATE), ("--rate 0", RATE)],
    "--concurrency": [
        ("--concurrency 0", NUMBER), ("--concurrency many", NUMBER), ("--concurrency 5000", NUMBER),
    ],
    "--canary": [("--canary 0", NUMBER), ("--canary 10%", NUMBER), ("--canary ten", NUMBER)],
    "--max-failures": [
        ("--max-failures 0.5", NUMBER), ("--max-failures 150%", "from 1 to 100: write 20"),
        ("--max-failures half", NUMBER),
    ],
    "--max-wait": [("--max-wait 30", UNIT), ("--max-wait no", LENGTH), ("--max-wait -1", LENGTH)],
    "--patience": [("--patience 30", UNIT), ("--patience 9min", LENGTH), ("--patience no", LENGTH)],
    "--stars-budget": [
        ("--stars-budget 5", "is for --paid"), ("--paid --stars-budget 0.5", "write 500"),
        ("--paid --stars-budget 0", NUMBER),
    ],
    "--home": [
        ("--home contacts.yaml", "is a file"), ("--home ~no-such-user/x", "no such user"),
        ("--home", "--home needs a value"),
    ],
    "--session": [
        ("--session my name", "--session 'my name'"), ("--session", "--session needs a value"),
        ("--account work", "--account"),
    ],
    "--server": [
        ("--server localhost", f"--server localhost: {SERVER}"),
        ("--server https://example.org", SERVER), ("--server 127.0.0.1:99999", SERVER),
    ],
    "--server-key": [
        ("--server 127.0.0.1:1 --server-key none.pem", "--server-key none.pem: cannot be read"),
        ("--server 127.0.0.1:1 --server-key contacts.yaml", "not an RSA public key"),
        ("--server-key none.pem", "--server-key is set, but TELEGRAM_SERVER is not"),
    ],
    "--test-peer": [
        ("preview --test-peer nobody", "write @nobody for a username"),
        ("preview --test-peer A B", "--test-peer 'A B'"),
        ("send --test-peer @ana", "it is one of `broadcast preview`"),
    ],
    "--limit": [("list --limit a", NUMBER), ("list --limit 0", NUMBER), ("list --limit -", NUMBER)],
    "--csv": [
        ("show --csv", "write --csv FILE"), ("show --csv .", "is a directory"),
        ("show --cvs a.csv", "did you mean --csv?"),
    ],
    "--port": [
        ("sandbox serve --port http", NUMBER), ("sandbox serve --port 99999", NUMBER),
        ("sandbox serve --port 127.0.0.1:4430", NUMBER),
    ],
    "--host": [
        ("sandbox serve --host 0.0.0.0", LOOPBACK), ("sandbox serve --host example.org", LOOPBACK),
        ("sandbox serve --host 127.0.0.1:4430", LOOPBACK),
    ],
    "--faults": [
        ("sandbox serve --faults drop_after: 7", "--faults 'drop_after: 7'"),
        ("sandbox serve --faults", "needs a value"),
        ("sandbox serve --fault a", "did you mean --faults?"),
    ],
    "--limits": [
        ("sandbox serve --limits none.yaml", "none.yaml"), ("sandbox serve --limits off", "off"),
        ("sandbox serve --limit none", "--limit"),
    ],
}  # fmt: skip
"""A flag has three mistakes that are the same for all of them: see below."""

FLAGS = [
    (name, option)
    for command in every_command(cli.cli)
    for name in [" ".join(path_of(command))]
    for option in command.params
    if isinstance(option, click.Option) and option.is_flag
]


def test_no_option_is_left_out() -> None:
    taking = {
        option.opts[0]
        for command in every_command(cli.cli)
        for option in command.params
        if isinstance(option, click.Option) and not option.is_flag
    }
    assert taking == set(TABLE)
    assert {len(mistakes) for mistakes in TABLE.values()} == {3}


@pytest.mark.parametrize(
    ("line", "told"), [mistake for mistakes in TABLE.values() for mistake in mistakes]
)
def test_a_likely_mistake_leads_on(line: str, told: str, refuse: Refuse) -> None:
    words = line.split()
    command = "send"
    if not words[0].startswith("-"):
        command = " ".join(words[: 2 if words[0] == "sandbox" else 1])
        words = words[len(command.split()) :]
    base = words_of(command) if command in ("send", "preview") else command.split()
    refuse(*base, *words, told=(told,))


@pytest.mark.parametrize(("name", "option"), FLAGS, ids=lambda each: getattr(each, "name", each))
def test_a_mistake_with_a_flag_leads_on(name: str, option: click.Option, refuse: Refuse) -> None:
    said, begin = option.opts[0], words_of(name)
    refuse(*begin, f"{said}=yes", told=(f"{said} takes no value: write {said} alone",))
    refuse(*begin, f"{said}s", told=(f"has no option {said}s: did you mean {said}",))
    refuse(*begin, said[1:], told=(f"has no option {said[1:]}: did you mean {said}",))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("edit 6ff", "there is no message: write it in quotes, 'I bought a car!'"),
        ("preview", "there is no message: write it in quotes, 'I bought a car!'"),
        ("send", "there is no message: write it in quotes, 'I bought a car!'"),
        ("recall", "ID is missing: broadcast recall ID; `broadcast list` shows them"),
        ("status -w", "did you mean --watch?"),
        ("status a b", "takes no further word: what is b?"),
        (
            "send x --test",
            "`broadcast send` has no option --test: it is one of `broadcast preview`",
        ),
        ("sandbox --home x inbox", "it is one of `broadcast sandbox serve`"),
        ("sandbox inbx", "write `broadcast sandbox serve` or `broadcast sandbox inbox`"),
        ("send a -5", "A message that begins with a dash: broadcast -- '-5 degrees'"),
    ],
)
def test_a_command_that_is_used_wrongly_is_shown(line: str, told: str, refuse: Refuse) -> None:
    refuse(*line.split(), told=(told,))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["Dinner", "at", "nine", "--to", "best"],
            "there are 3: put it in quotes, 'Dinner at nine', and leave the options as they are",
        ),
        (["@ana", "Hello there"], "there are 2: if @ana is who gets it, write --to '@ana'; if"),
        (
            ["Hello there", "+34600000001"],
            "if +34600000001 is who gets it, write --to +3460",
        ),
        (["Hello there", "a.csv"], "if a.csv is the list, write --contacts a.csv; if"),
        (["a.md", "b.yaml"], "if a.md is the message, write --message-file a.md; if b.yaml is the"),
        (["Look", "a.pdf"], "if a.pdf is to be sent, write --file a.pdf; if"),
        (["edit", "I bought a boat!"], "give the id of the one to edit"),
        (["preview", "Dinner", "at"], "put it in quotes, 'Dinner at'"),
        (["“Tea", "is", "ready”"], "put it in quotes, 'Tea is ready', and"),
        (["„Tea", "is", "ready“"], "put it in quotes, 'Tea is ready', and"),
        (["“Tea”"], "“Tea” has quotes of a web page around it: write 'Tea'"),
        (["send", "\u2018Tea\u2019"], "\u2019 has quotes of a web page around it: write 'Tea'"),
        (["schedule", "Tea is ready"], "schedule is no command: `broadcast --help` lists them; if"),
        (
            ["--chat-id", "@ana", "Tea is ready"],
            "no option --chat-id: `broadcast send --help` lists",
        ),
        (["Tea is ready", "-n"], "no option -n: did you mean --dry-run or"),
        (["recall", ""], "ID is empty: give it a value; nothing"),
        (
            ["--message-file", "Tea is ready"],
            "--message-file Tea is ready: cannot be read: No such",
        ),
    ],
    ids=str,
)
def test_a_word_too_many_or_too_few_leads_to_nobody_else(
    arguments: list[str], told: str, refuse: Refuse
) -> None:
    refuse(*arguments, told=(told,))


@pytest.mark.parametrize("failures", ["10", "10%", "10 %"])
def test_a_percentage_may_have_its_sign(here: Path, failures: str) -> None:
    assert cli.run(["send", HELLO, "--sandbox", "--max-failures", failures, "--rate", "max"]) == 0


def test_what_is_empty_says_what_fills_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = ["--home", str(here / "a b")]
    place = f"--home '{here}/a b'"
    for arguments, told in [
        (["sandbox", "inbox", *there], f"broadcast 'I bought a car!' --sandbox {place}"),
        (["sandbox", "inbox", "--clear"], "the inbox is empty now"),
        (["list", *there], f"broadcast 'I bought a car!' {place} --dry-run"),
        (["list", "--scheduled", "--sandbox"], "broadcast 'Good evening' --at 18:00 --sandbox"),
    ]:
        assert cli.run(arguments) == 0
        assert told in capsys.readouterr().err
