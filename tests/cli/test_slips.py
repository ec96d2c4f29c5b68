"""The command line takes nothing by a slip: laws over all commands, options and settings.

Every command is given what would be a slip, in a directory where it would send to the sandbox.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast import cli
from broadcast.cli.parsing import every_command
from broadcast.cli.quoting import quoted
from broadcast.message.schema import SETTINGS
from broadcast.settings import TELEGRAM_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broadcast.message.schema import Setting

HELLO = "Hello all"


class Refuse(Protocol):
    def __call__(self, *arguments: str, told: tuple[str, ...]) -> None: ...


def path_of(command: click.Command) -> list[str]:
    """What is typed to run it."""
    is_nested = command.name in ("serve", "inbox")
    return ["sandbox", command.name or ""] if is_nested else [command.name or ""]


COMMANDS = {" ".join(path_of(command)): command for command in every_command(cli.cli)}
OPTIONS = {
    f"{name} {option.opts[0]}": (name, option)
    for name, command in COMMANDS.items()
    for option in command.params
    if isinstance(option, click.Option)
}
VALUES = {key: found for key, found in OPTIONS.items() if not found[1].is_flag}
ARGUMENTS = [
    (name, place, len(arguments))
    for name, command in COMMANDS.items()
    if (arguments := [each for each in command.params if isinstance(each, click.Argument)])
    for place in range(len(arguments))
]
VARIABLES = sorted(
    f"BROADCAST_{option.opts[0].removeprefix('--').replace('-', '_').upper()}"
    for _, option in {option.opts[0]: (name, option) for name, option in OPTIONS.values()}.values()
)
EMPTY = pytest.mark.parametrize("empty", ["", " ", "\t\n"], ids=repr)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a contact list, where every command has the sandbox and its own home."""
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "user"))
    monkeypatch.setenv("BROADCAST_HOME", str(tmp_path / "home"))
    for name in TELEGRAM_NAMES:
        monkeypatch.delenv(name, raising=False)
    Path("contacts.yaml").write_text('- "@ana_maria"\n')
    return tmp_path


def words_of(name: str) -> list[str]:
    """A command, with all the arguments that it needs."""
    arguments = [each for each in COMMANDS[name].params if isinstance(each, click.Argument)]
    return [*name.split(), *(HELLO if each.nargs == -1 else "6ff" for each in arguments)]


@pytest.fixture
def refuse(here: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Refuse]:
    """Run a command line, which must be refused with words that name each of `told`."""

    def run(*arguments: str, told: tuple[str, ...]) -> None:
        code = cli.run(list(arguments))
        out, err = capsys.readouterr()
        assert (code, out) == (2, ""), err
        for part in told:
            assert part in err
        assert "Traceback" not in err

    yield run
    for journal in (here / "home").rglob("journal.jsonl"):  # no message reached the sandbox
        assert not re.search(r'"t": ?"(message|schedule)"', journal.read_text())


@EMPTY
@pytest.mark.parametrize("key", VALUES)
def test_an_option_that_is_given_and_empty_is_refused(key: str, empty: str, refuse: Refuse) -> None:
    name, option = VALUES[key]
    refuse(*words_of(name), option.opts[0], empty, told=(option.opts[0], "is empty"))
    refuse(*words_of(name), f"{option.opts[0]}={empty}", told=(option.opts[0], "is empty"))


@EMPTY
@pytest.mark.parametrize(("name", "place", "count"), ARGUMENTS)
def test_an_argument_that_is_given_and_empty_is_refused(
    name: str, place: int, count: int, empty: str, refuse: Refuse
) -> None:
    words = ["word"] * count
    words[place] = empty
    told = "MESSAGE" if COMMANDS[name].params[place].nargs == -1 else "ID"
    refuse(*name.split(), *words, told=(told, "is empty"))


@EMPTY
@pytest.mark.parametrize("more", [[], ["--file", "contacts.yaml"], ["--sandbox"]])
def test_no_message_is_sent_without_its_words(more: list[str], empty: str, refuse: Refuse) -> None:
    refuse(empty, *more, told=("MESSAGE is empty",))


@EMPTY
@pytest.mark.parametrize("place", ["the environment", ".env"])
@pytest.mark.parametrize("variable", [*VARIABLES, *sorted(TELEGRAM_NAMES)])
def test_a_setting_that_is_given_and_empty_is_refused(
    variable: str, place: str, empty: str, refuse: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place == ".env":
        monkeypatch.delenv(variable, raising=False)
        Path(".env").write_text(f'{variable}="{empty}"\n')
    else:
        monkeypatch.setenv(variable, empty)
    home = ["--home", "home"] if variable == "BROADCAST_HOME" else []
    refuse("send", HELLO, "--sandbox", *home, told=(variable, "is set in", place, "empty"))


@pytest.mark.parametrize("empty", ["", '""', "' '", "[]", "['']", "[ ' ' ]", "{}", "|"])
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_a_key_of_front_matter_that_is_given_and_empty_is_refused(
    setting: Setting, empty: str, refuse: Refuse
) -> None:
    others = {
        "as_document": "files: contacts.yaml", "spoiler": "files: contacts.yaml",
        "thumbnail": "files: contacts.yaml", "without_author": "forward: https://t.me/shop/1",
        "zone": "at: 18:00", "zone_of": "at: 18:00", "not_later_than": "at: 18:00",
    }  # fmt: skip
    front = f"{others.get(setting.name, 'silent: yes')}\n{setting.name}: {empty}"
    if setting.name == "silent":
        front = f"pin: yes\nsilent: {empty}"
    text = "" if setting.name in ("text", "without_author", "forward") else HELLO
    Path("m.md").write_text(f"---\n{front}\n---\n{text}\n")
    refuse("--message-file", "m.md", "--sandbox", "--yes", told=("m.md:3: ",))


@pytest.mark.parametrize("key", VALUES)
def test_the_name_of_an_option_is_no_value_of_one(key: str, refuse: Refuse) -> None:
    """Such as `--once $KEY --dry-run` with nothing in it, which sent under the key --dry-run."""
    name, option = VALUES[key]
    for other in (OPTIONS[each][1] for each in OPTIONS if OPTIONS[each][0] == name):
        said = (option.opts[0], other.opts[0])
        refuse(*words_of(name), *said, told=("needs a value", *said))


# --- said twice


@pytest.mark.parametrize("key", OPTIONS)
def test_what_takes_one_value_is_given_once(key: str, refuse: Refuse) -> None:
    name, option = OPTIONS[key]
    if option.multiple:
        return
    if not option.is_flag:
        said = [option.opts[0], "1", f"{option.opts[0]}=2"]
        refuse(*words_of(name), *said, told=(option.opts[0], "give it once, not 2 times"))
    for opposite in option.secondary_opts:
        for said in ([opposite, option.opts[0]], [option.opts[0], opposite], [opposite] * 2):
            refuse(*words_of(name), *said, told=(option.opts[0], opposite, "give it once"))


@pytest.mark.parametrize(
    ("option", "setting", "right"),
    [("--contacts", "none.yaml", "contacts.yaml"), ("--in", "1h", "2h")],
)
def test_an_option_beside_its_setting_is_not_said_twice(
    here: Path, monkeypatch: pytest.MonkeyPatch, option: str, setting: str, right: str
) -> None:
    monkeypatch.setenv(f"BROADCAST_{option[2:].upper()}", setting)
    assert cli.run(["send", HELLO, "--dry-run", option, right]) == 0


def test_a_flag_may_be_repeated(here: Path) -> None:
    assert cli.run(["send", HELLO, "--dry-run", "--dry-run"]) == 0


# --- guessed commands

WORDS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]*", fullmatch=True).filter(
    lambda word: word not in cli.cli.commands
)


@given(word=WORDS)
def test_what_looks_like_a_command_is_never_a_message(word: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        cli.cli.make_context("broadcast", [word, "--sandbox", "--yes"])
    told = caught.value.message
    assert f"no command {word}:" in told
    assert f"`broadcast send {word}`" in told
    assert re.search(r"did you mean `broadcast [^`]+`\?|`broadcast --help` lists them", told)
    for safe in (["send", word], ["--", word]):
        context = cli.cli.make_context("broadcast", safe)
        assert [*context._protected_args, *context.args] == ["send", *safe[safe[0] == "send" :]]


# --- unknown settings

KNOWN = [*VARIABLES, *sorted(TELEGRAM_NAMES)]


@pytest.mark.parametrize("place", ["the environment", ".env"])
@pytest.mark.parametrize("name", KNOWN)
def test_a_mistyped_setting_is_refused(
    name: str, place: str, refuse: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = name.partition("_")[2]
    wrong = [f"{name}S"] if len(body) > 3 else []
    wrong += [name.replace("_", "-").replace("-", "_", 1).replace("-", "")] if "_" in body else []
    wrong += [name.lower()]
    for each in (each for each in wrong if each not in KNOWN):
        with monkeypatch.context() as patch:
            if place == ".env":
                Path(".env").write_text(f"{each}=1\n")
            else:
                patch.setenv(each, "1")
            patch.delenv(name, raising=False)
            home = ["--home", "home"] if name == "BROADCAST_HOME" else []
            told = (each, place, "is not a setting", f"did you mean {name}?")
            refuse("send", HELLO, "--sandbox", *home, told=told)


@pytest.mark.parametrize("name", ["BRODCAST_DRY_RUN", "BROADCAT_DRY_RUN", "BROADCAST-DRY-RUN"])
def test_a_mistyped_beginning_is_refused(name: str, refuse: Refuse) -> None:
    Path(".env").write_text(f"{name}=1\n")
    refuse("send", HELLO, "--sandbox", told=(name, "did you mean BROADCAST_DRY_RUN?"))


@pytest.mark.parametrize("name", ["BROADCAST_TO", "TELEGRAM_PHONE"])
def test_a_setting_that_stands_twice_is_refused(name: str, refuse: Refuse) -> None:
    Path(".env").write_text(f"\n{name}=1\n# {name}=2\nOTHER=1\nOTHER=2\nexport {name}=1\n")
    told = (f".env:6: {name} stands in line 2 already",)
    refuse("send", HELLO, "--sandbox", told=told)


def test_a_setting_like_no_other_is_refused_as_well(
    refuse: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADCAST_SOMETHING_ELSE", "1")
    refuse("send", HELLO, "--sandbox", told=("BROADCAST_SOMETHING_ELSE", "there is none"))


def test_the_settings_of_other_programs_are_left_alone(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TELEGRAM_CHAT_ID", "TELEGRAM_TOKEN", "TELEGRAM_APP_ID", "TELEGRAM_EMPTY"):
        monkeypatch.setenv(name, "" if name.endswith("EMPTY") else "1")
    Path(".env").write_text("TELEGRAM_ADMIN=1\nOTHER=\n")
    assert cli.run(["send", HELLO, "--dry-run"]) == 0


def test_a_name_beside_the_one_it_resembles_is_another_programs(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TELEGRAM_SESSION", "TELEGRAM_SESSIONS"):
        monkeypatch.setenv(name, "1")
    assert cli.run(["send", HELLO, "--dry-run"]) == 0


# --- examples made of what was typed


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1))
def test_what_is_quoted_means_the_same_in_every_shell(text: str) -> None:
    word = quoted(text)
    inside = word[1:-1]
    if word == "'…'":
        assert set(text) & set("'\u2018\u2019\u201a\u201b\\\r\n")
    elif word[0] == "'":
        assert inside == text
        assert not set(text) & set("'\u2018\u2019\u201a\u201b\\\r\n")
    elif word[0] == '"':
        assert inside == text
        assert not set(text) & set('"!$`\\\u201c\u201d\u201e\r\n')
    else:
        assert word == text
        assert re.fullmatch(r"[\w./:+=-]+", text, re.ASCII)


@pytest.mark.parametrize("command", [[], ["send"], ["preview"], ["edit", "6ff"]])
@pytest.mark.parametrize("name", ["news.md", "./news.md", "notes", "my news.txt"])
def test_the_name_of_a_file_is_no_message(name: str, command: list[str], refuse: Refuse) -> None:
    Path(name).write_text("Hello\n")
    if not (name == "notes" and not command):  # a lone word like a command's
        refuse(*command, name, told=(name, "--message-file", "nothing was sent"))


@pytest.mark.parametrize("word", ["nwes.md", "photo.JPG", "@ana_maria", "+34600000001"])
def test_a_lone_name_is_no_message(word: str, refuse: Refuse) -> None:
    refuse(word, told=(f"{word} is a name", f"`broadcast send {quoted(word)}`"))
    refuse("--sandbox", word, "--silent", told=(f"{word} is a name",))


@pytest.mark.parametrize("dash", ["\u2014", "\u2013", "\u2013\u2013", "\u2014-", "\u2212"])
@pytest.mark.parametrize("key", ["send --dry-run", "send --yes", "resume --now", "send --at"])
def test_an_option_behind_a_dash_is_no_word_of_the_message(
    key: str, dash: str, refuse: Refuse
) -> None:
    name, option = OPTIONS[key]
    typed = option.opts[0].replace("--", dash, 1)
    for word in (typed, f"{typed}=18:00"):
        refuse(*words_of(name), word, told=(word, f"{option.opts[0]} has two hyphens"))


LISTS = [
    ("contacts.yaml", '- "@ana_maria"\n'),
    ("x.md", 'contacts:\n  # friends\n\n  - "@ana_maria"\n'),
    ("x.txt", "name;Peer;tags\nAna;@ana;x\n"),
    ("x", '{"peer": "@ana"}\n'),
    (".env", "A=1"),
    (".env.local", "A=1"),
    ("x.rtf", "{\\rtf1 Hello}"),
    ("y.md", "TELEGRAM_API_ID=1\nTELEGRAM_API_HASH=0123456789abcdef0123456789abcdef\n"),
    ("z.md", "the token is 110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1."),
]


@pytest.mark.parametrize(("name", "text"), LISTS)
def test_a_list_settings_and_secrets_are_no_message(name: str, text: str, refuse: Refuse) -> None:
    Path("settings").mkdir()
    path = Path("settings", name)
    path.write_text(text)
    refuse("--message-file", str(path), told=("nothing was sent",))
