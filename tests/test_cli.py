"""The command line as a person types it, in processes of its own, where no network is needed.

Every refusal is tried with `--sandbox`, which would send: so what is not refused leaves a trace.
"""

from __future__ import annotations

import ctypes
import json
import os
import pty
import re
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HELLO = "I bought a car!"
CONTACTS = """\
contacts:
  - name: Ana
    peer: "@ana_maria"
    tags: [best, madrid]
  - name: Bo
    peer: "@bobo"
    tags: [best]
  - name: Carla Ruiz
    peer: "+34600000001"
    tags: [work]
"""
CREDENTIALS = {  # of nobody, and at a server that is never asked
    "TELEGRAM_API_ID": "1",
    "TELEGRAM_API_HASH": "0123456789abcdef0123456789abcdef",
    "TELEGRAM_PHONE": "+34600000000",
    "TELEGRAM_SERVER": "127.0.0.1:1",
}
CAP_DAC_OVERRIDE, PR_CAPBSET_DROP = 1, 24  # capability.h, prctl.h


def obey_permissions() -> None:
    """Root may write everywhere, until it gives up that right; called in the child."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


@dataclass
class Shell:
    """A directory with a contact list, and nothing of the settings of whoever runs the tests."""

    here: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.here / "home"

    def write(self, name: str, content: str | bytes) -> str:
        path = self.here / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    def clean_environment(self, more: Mapping[str, str]) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TELEGRAM_", "BROADCAST_", "COVERAGE_"))
        }
        own = {
            "HOME": str(self.here / "user"),
            "XDG_CONFIG_HOME": str(self.here / "config"),
            "BROADCAST_HOME": str(self.home),
        }
        return kept | own | dict(more)

    def start(
        self, *arguments: str | bytes, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [sys.executable, "-m", "broadcast", *arguments],
            cwd=self.here,
            env=self.clean_environment(env or {}),
            **{"stdin": subprocess.DEVNULL, "stdout": pipe, "stderr": pipe, **options},
        )

    def run(
        self, *arguments: str | bytes, stdin: bytes | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        if stdin is not None:
            options["stdin"] = subprocess.PIPE
        with self.start(*arguments, **options) as process:
            out, err = process.communicate(stdin, timeout=50)
        ended = (part.decode() if part else "" for part in (out, err))
        return subprocess.CompletedProcess(arguments, process.returncode, *ended)

    def has_sent(self) -> bool:
        """Whether a message reached the sandbox."""
        journals = self.home.rglob("journal.jsonl")
        return any(re.search(r'"t": ?"(message|schedule)"', path.read_text()) for path in journals)

    def refuses(self, *arguments: str | bytes, told: tuple[str, ...], **options: Any) -> str:
        """Hold a refusal to what each one promises; give what it says."""
        result = self.run(*arguments, **options)
        assert result.returncode == 2, result.stderr
        for part in told:
            assert part in result.stderr
        assert "Traceback" not in result.stderr
        assert not result.stdout
        assert not self.has_sent()
        return result.stderr


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path)
    shell.write("contacts.yaml", CONTACTS)
    return shell


def dry(shell: Shell, *arguments: str, **options: Any) -> str:
    """What a dry run shows."""
    result = shell.run(*arguments, "--dry-run", **options)
    assert result.returncode == 0, result.stderr
    return result.stdout


def peers(shell: Shell, *arguments: str, **options: Any) -> list[str]:
    """Who would get it."""
    rows = map(json.loads, dry(shell, HELLO, "--json", *arguments, **options).splitlines())
    return [row["peer"] for row in rows if row["type"] == "delivery"]


# --- the main job, dry


def test_a_dry_run_counts_the_parts_of_a_split_text(shell: Shell) -> None:
    shell.write("long.txt", "word " * 1000)
    told = dry(shell, "--message-file", "long.txt", "--split", "--rate", "1")
    assert "It would take 5.0 s" in told
    assert "3 would get it, in 6 messages; nothing was sent (dry run)" in told
    paid = ("--paid", "--stars-budget", "9", "--dry-run")
    result = shell.run("--message-file", "long.txt", "--split", *paid)
    assert "for 6 messages" in result.stderr


def test_a_dry_run_shows_the_message_and_everybody_who_would_get_it(shell: Shell) -> None:
    result = shell.run(HELLO, "--dry-run")
    assert (result.returncode, result.stderr) == (0, "")
    for part in (HELLO, "Ana", "@ana_maria", "best, madrid", "Carla Ruiz", "+34600000001"):
        assert part in result.stdout
    assert "3 would get it; nothing was sent (dry run)" in result.stdout
    assert not shell.has_sent()


NOT_FOR_HELP = ("asyncio", "dotenv", "jinja2", "platformdirs", "rich", "sqlite3", "yaml")


@pytest.mark.parametrize(
    ("arguments", "unneeded"),
    [
        (["--help"], NOT_FOR_HELP),
        (["send", "--help"], NOT_FOR_HELP),
        (["list"], ("dotenv", "filelock", "jinja2", "rich.progress", "yaml")),
        (["list", "--json"], ("dotenv", "filelock", "jinja2", "rich.progress", "yaml")),
        (["status", "b"], ("dotenv", "filelock", "jinja2", "rich.progress", "yaml")),
        ([HELLO, "--dry-run"], ("filelock", "jinja2")),
    ],
)
def test_what_is_not_needed_is_not_loaded(
    shell: Shell, arguments: list[str], unneeded: tuple[str, ...]
) -> None:
    result = shell.run(*arguments, env={"PYTHONPROFILEIMPORTTIME": "1"})
    loaded = {line.split("|")[-1].strip() for line in result.stderr.splitlines()}
    assert "click" in loaded  # so the imports are told
    assert not loaded & {"telethon", *unneeded}


def test_a_list_from_a_pipe_is_read_once(shell: Shell) -> None:
    path = shell.here / "people.csv"
    os.mkfifo(path)
    with subprocess.Popen(["sh", "-c", f"printf 'peer\n@ana\n@bobo\n' > '{path}'"]):
        assert peers(shell, "--contacts", str(path)) == ["@ana", "@bobo"]


def test_json_is_one_object_a_line_and_nothing_else(shell: Shell) -> None:
    lines = dry(shell, HELLO, "--json").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["type"] for row in rows] == ["delivery"] * 3 + ["summary"]
    assert rows[0] == {
        "type": "delivery", "broadcast": None, "peer": "@ana_maria", "name": "Ana",
        "status": "pending", "message_id": None, "error": None, "reason": None, "at": None,
        "tags": ["best", "madrid"],
    }  # fmt: skip
    assert rows[-1] == {
        "type": "summary", "broadcast": None, "sent": 0, "failed": 0, "skipped": 0, "pending": 3,
        "seconds": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        ["--dry-run", "--to", "work", HELLO],
        [HELLO, "--to", "work", "--dry-run"],
        ["--to", "work", HELLO, "--dry-run"],
        ["--to=work", "--dry-run", "--", HELLO],
        ["send", "--dry-run", HELLO, "--to", "work"],
        ["--dry-run", "send", HELLO, "--to", "work"],
    ],
)
def test_options_work_before_and_after_the_message(shell: Shell, arguments: list[str]) -> None:
    result = shell.run(*arguments)
    assert result.returncode == 0, result.stderr
    assert "1 would get it" in result.stdout
    assert "+34600000001" in result.stdout


@pytest.mark.parametrize("name", ["send", "whoami", "sandbox", "status", "help"])
def test_the_long_form_sends_a_text_that_is_a_commands_name(shell: Shell, name: str) -> None:
    assert f"  {name}\n" in dry(shell, "send", name)


@pytest.mark.parametrize("value", ["whoami", "send"])
def test_the_value_of_an_option_is_not_taken_for_a_command(shell: Shell, value: str) -> None:
    shell.write("contacts.yaml", f'- {{peer: "@ana_maria", tags: [{value}]}}\n')
    assert f"  {HELLO}\n" in dry(shell, "--to", value, HELLO)


def test_the_message_may_come_from_stdin_or_from_a_file(shell: Shell) -> None:
    text = "Zoë,\n\nI bought a car! \N{AUTOMOBILE}\n"
    shown = "  Zoë,\n  \n  I bought a car! \N{AUTOMOBILE}\n"
    assert shown in dry(shell, "-", stdin=text.encode())
    assert shown in dry(shell, "--message-file", shell.write("text", text))
    assert shown in dry(shell, "--message-file", shell.write("text", text.encode("utf-8-sig")))


# --- a typo is not sent


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("whoam", "whoami"),
        ("logn", "login"),
        ("Logout", "logout"),
        ("log-in", "login"),
        ("sandbx", "sandbox"),
        ("snd", "send"),
        ("help", "--help"),
        ("version", "--version"),
        ("statsu", "status"),
        ("inbox", "sandbox inbox"),
        ("serve", "sandbox serve"),
        ("history", "list"),
        ("histroy", "list"),
        ("log", "list"),
        ("ls", "list"),
        ("init", "login"),
        ("setup", "login"),
        ("export", "show --csv FILE"),
        ("update", "edit ID MESSAGE"),
        ("stop", "pause"),
        ("test", "preview MESSAGE --test"),
        ("rehearsal", "MESSAGE --rehearse"),
        ("rehearse", "MESSAGE --rehearse"),
        ("Rehears", "MESSAGE --rehearse"),
        ("dry-run", "MESSAGE --dry-run"),
        ("dry_run", "MESSAGE --dry-run"),
        ("dryrun", "MESSAGE --dry-run"),
        ("quiet", "MESSAGE --quiet"),
        ("canary", "MESSAGE --canary"),
        ("no-split", "MESSAGE --no-split"),
    ],
)
def test_the_command_is_named_that_a_lone_word_is_close_to(
    shell: Shell, word: str, meant: str
) -> None:
    told = (f"did you mean `broadcast {meant}`?", "To send it as a message:")
    shell.refuses(word, "--sandbox", "--yes", told=(*told, f"`broadcast send {word}`"))


@pytest.mark.parametrize(
    "options",
    [["--to", "best"], ["--rate", "max"], ["--contacts", "contacts.yaml", "--exclude", "work"]],
)
def test_a_typo_is_not_sent_whatever_options_follow_or_precede_it(
    shell: Shell, options: list[str]
) -> None:
    for arguments in (["statsu", *options], [*options, "statsu"]):
        shell.refuses(*arguments, "--sandbox", "--yes", told=("did you mean `broadcast status`?",))


def test_a_typo_with_an_argument_is_told_as_the_command_it_was_meant_to_be(shell: Shell) -> None:
    shell.refuses("retyr", "6ff", "--sandbox", told=("did you mean `broadcast retry 6ff`?",))


@pytest.mark.parametrize("word", ["doctor", "config", "Hello", "car", "ok", "dinner", "hi", "5"])
def test_a_lone_word_far_from_every_command_is_not_sent_either(shell: Shell, word: str) -> None:
    told = (
        f"there is no command {word}: `broadcast --help` lists them",
        f"`broadcast send {word}`",
    )
    shell.refuses(word, "--sandbox", "--yes", told=told)
    assert f"  {word}\n" in dry(shell, "send", word)


@pytest.mark.parametrize(
    "text",
    ["Help!", "log in to the new site", "Test!", "in the morning", "Olá", "¿Cena?", "привет"],
)
def test_a_text_that_cannot_be_a_command_is_a_message(shell: Shell, text: str) -> None:
    assert f"  {text}\n" in dry(shell, text)


def test_options_after_the_two_dashes_are_no_words_of_the_message(shell: Shell) -> None:
    told = ("put the options before it", "broadcast --sandbox -- '-5 degrees'")
    shell.refuses("--", "-5 degrees", "--sandbox", told=told)
    assert "  -5 degrees\n" in shell.run("--dry-run", "--", "-5 degrees").stdout


def test_words_without_quotes_are_refused_and_put_in_quotes(shell: Shell) -> None:
    shell.refuses(
        "I", "bought", "a", "car", "--sandbox", told=("in quotes, 'I bought a car', and",)
    )


# --- settings


def test_an_option_goes_before_the_environment_and_that_before_the_file(shell: Shell) -> None:
    everybody = ["@ana_maria", "@bobo", "+34600000001"]
    assert peers(shell) == everybody
    shell.write(".env", "BROADCAST_TO=best\n")
    assert peers(shell) == everybody[:2]
    assert peers(shell, env={"BROADCAST_TO": "work"}) == everybody[2:]
    assert peers(shell, "--to", "Ana", env={"BROADCAST_TO": "work"}) == everybody[:1]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("best,madrid", ["@ana_maria"]),  # a comma means and
        ("madrid work", ["@ana_maria", "+34600000001"]),  # a space is --to again, and means or
    ],
)
@pytest.mark.parametrize("place", ["environment", ".env"])
def test_an_option_that_is_repeated_is_a_list_with_spaces_in_a_setting(
    shell: Shell, place: str, value: str, expected: list[str]
) -> None:
    env = {"BROADCAST_TO": value} if place == "environment" else {}
    if place == ".env":
        shell.write(".env", f'BROADCAST_TO="{value}"\n')
    assert peers(shell, env=env) == expected


SETTINGS = {
    "BROADCAST_FORMAT": ("html", "(html)"),
    "BROADCAST_DRY_RUN": ("1", "dry run"),
    "BROADCAST_JSON": ("true", '"type": "summary"'),
    "BROADCAST_CONTACTS": ("other.csv", "@other"),
    "BROADCAST_EXCLUDE": ("best", "1 would get it"),
    "BROADCAST_MESSAGE_FILE": ("text.txt", "from the file"),
}


@pytest.mark.parametrize(("name", "value", "shown"), [(n, *s) for n, s in SETTINGS.items()])
@pytest.mark.parametrize("place", ["environment", ".env"])
def test_every_option_may_stand_in_a_setting(
    shell: Shell, place: str, name: str, value: str, shown: str
) -> None:
    shell.write("other.csv", "peer\n@other\n")
    shell.write("text.txt", "from the file")
    env = {name: value} if place == "environment" else {}
    if place == ".env":
        shell.write(".env", f"{name}={value}\n")
    arguments = [] if name == "BROADCAST_MESSAGE_FILE" else [HELLO]
    arguments += [] if name == "BROADCAST_DRY_RUN" else ["--dry-run"]
    result = shell.run("send", *arguments, env=env)
    assert result.returncode == 0, result.stderr
    assert shown in result.stdout


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("BROADCAST_FORMAT", "--format"),
        ("BROADCAST_RATE", "--rate"),
        ("BROADCAST_CONCURRENCY", "--concurrency"),
        ("BROADCAST_YES", "--yes"),
        ("BROADCAST_QUIET", "--quiet"),
    ],
)
@pytest.mark.parametrize("place", ["environment", ".env"])
def test_a_setting_that_no_option_takes_is_refused(
    shell: Shell, place: str, name: str, option: str
) -> None:
    env = {name: "nonsense"} if place == "environment" else {}
    if place == ".env":
        shell.write(".env", f"{name}=nonsense\n")
    shell.refuses(HELLO, "--sandbox", env=env, told=(option, "nonsense"))


def test_the_options_of_every_command_may_stand_in_a_setting(shell: Shell) -> None:
    told = ("--port", "nonsense")
    shell.refuses("sandbox", "serve", env={"BROADCAST_PORT": "nonsense"}, told=told)
    shell.write(".env", "BROADCAST_PORT=nonsense\n")
    shell.refuses("sandbox", "serve", told=told)


def test_the_server_is_an_option_a_variable_or_in_the_file(shell: Shell) -> None:
    shell.write(".env", "TELEGRAM_SERVER=in-the-file\n")
    shell.refuses(HELLO, "--sandbox", told=("TELEGRAM_SERVER=in-the-file: expected host:port",))
    env = {"TELEGRAM_SERVER": "in-the-environment"}
    shell.refuses(HELLO, "--sandbox", env=env, told=("TELEGRAM_SERVER=in-the-environment",))
    option = ("--server", "as-an-option")
    shell.refuses(HELLO, "--sandbox", *option, env=env, told=("--server as-an-option: expected",))
    assert peers(shell, "--server", "127.0.0.1:1", env=env)


@pytest.mark.parametrize("command", [[HELLO], ["whoami"], ["login"], ["logout"]])
def test_missing_credentials_say_where_to_get_them(shell: Shell, command: list[str]) -> None:
    shell.refuses(
        *command,
        told=(
            "TELEGRAM_API_ID and TELEGRAM_API_HASH are not set",
            "https://my.telegram.org",
            ".env",
            "TELEGRAM_API_ID=",
            "--sandbox",
        ),
    )


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({"TELEGRAM_API_ID": "abc"}, "TELEGRAM_API_ID must be the number"),
        ({"TELEGRAM_API_ID": "9" * 5000}, "TELEGRAM_API_ID must be the number"),
        ({"TELEGRAM_PHONE": "tomorrow"}, "TELEGRAM_PHONE is not a phone number"),
        ({"TELEGRAM_BOT_TOKEN": "123456:" + "x" * 35}, "both set"),
        ({"TELEGRAM_SERVER_KEY": "no-such-file"}, "no-such-file"),
        ({"TELEGRAM_SERVER_KEY": "contacts.yaml"}, "not an RSA public key"),
        ({"BROADCAST_HOME": "~no-such-user/x"}, "~no-such-user/x"),
    ],
)
def test_a_wrong_setting_is_named(shell: Shell, env: dict[str, str], told: str) -> None:
    shell.refuses(HELLO, env=CREDENTIALS | env, told=(told,))
    shell.write(".env", "".join(f"{name}={value}\n" for name, value in env.items()))
    if "BROADCAST_HOME" not in env:  # which stands in the environment of every test
        missing = {name: value for name, value in CREDENTIALS.items() if name not in env}
        shell.refuses(HELLO, env=missing, told=(told,))


def test_a_secret_that_is_wrong_is_not_shown(shell: Shell) -> None:
    env = {name: value for name, value in CREDENTIALS.items() if name != "TELEGRAM_PHONE"}
    told = shell.refuses(HELLO, env=env | {"TELEGRAM_BOT_TOKEN": "s3cret"}, told=("TOKEN",))
    assert "s3cret" not in told


def test_a_settings_file_that_is_no_text_is_named(shell: Shell) -> None:
    shell.write(".env", b"\xff\xfe\x00\x01")
    shell.refuses(HELLO, "--sandbox", told=(".env", "cannot be read"))


# --- the contact list


def test_the_contact_list_may_lie_with_the_settings(shell: Shell) -> None:
    (shell.here / "contacts.yaml").unlink()
    folder = shell.here / "config" / "broadcast"
    shell.refuses(
        HELLO,
        "--sandbox",
        told=("no contact list", str(shell.here / "contacts.yaml"), str(folder), "--contacts FILE"),
    )
    folder.mkdir(parents=True)
    (folder / "contacts.yaml").write_text('- "@in_the_configuration"\n')
    assert peers(shell) == ["@in_the_configuration"]
    shell.write("contacts.yaml", '- "@here"\n')
    assert peers(shell) == ["@here"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.csv", "peer,name,tags,city\n@ana_maria,Ana,best;madrid,Madrid\n"),
        ("list.csv", "\ufeffname;peer\nAna;@ana_maria\n"),
        ("list.jsonl", '{"peer": "@ana_maria", "name": "Ana"}\n'),
        ("list.yml", '- {peer: "@ana_maria", name: Ana}\n'),
    ],
)
def test_every_form_of_a_contact_list_is_read(shell: Shell, name: str, content: str) -> None:
    assert peers(shell, "--contacts", shell.write(name, content)) == ["@ana_maria"]


def test_a_mistake_deep_in_a_long_list_is_told_and_nothing_is_made(shell: Shell) -> None:
    rows = [f"{10**9 + number},Ana" for number in range(20_000)]
    rows[15_000] = "ana,Ana"
    path = shell.write("people.csv", "\n".join(["peer,name", *rows]))
    result = shell.run(HELLO, "--sandbox", "--yes", "--contacts", path)
    assert result.returncode == 2
    assert f"{path}:15002: 'ana' is not a recipient: write @ana" in result.stderr
    assert "a mistake in the contact list; nothing was sent" in result.stderr
    assert shell.run("list", "--sandbox", "--json").stdout == ""


def test_what_is_wrong_for_everybody_in_a_long_list_is_not_told_of_everybody(shell: Shell) -> None:
    people = shell.write("people.csv", "\n".join(["peer", *map(str, range(10**9, 10**9 + 2000))]))
    arguments = ["Hi {{ nick }}", "--template", "--sandbox", "--yes", "--contacts", people]
    result = shell.run(*arguments)
    assert result.returncode == 2
    assert "1000 contacts or more cannot get this message; nothing was sent" in result.stderr


def test_a_dry_run_of_a_long_list_shows_the_first_and_counts_the_others(shell: Shell) -> None:
    people = shell.write("people.csv", "\n".join(["peer", *map(str, range(10**9, 10**9 + 1005))]))
    shown = dry(shell, HELLO, "--contacts", people).splitlines()
    assert sum(line.strip().startswith("1000000") for line in shown) == 1000
    assert "... and 5 more; --json lists them all" in shown
    assert len(peers(shell, "--contacts", people)) == 1005


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_million_contacts_take_little_memory(shell: Shell) -> None:
    rows = (f"{10**9 + number},Ana {number},Madrid" for number in range(10**6))
    path = shell.write("people.csv", "\n".join(["peer,name,city", *rows]))
    code = (
        "import resource, sys; from pathlib import Path; from broadcast import load_audience\n"
        "contacts = load_audience(Path(sys.argv[1]))\n"
        "print(len(contacts), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    environment = shell.clean_environment({})
    # Not from this process, whose own size a child starts with.
    command = ["sh", "-c", '"$0" -c "$1" "$2"; exit', sys.executable, code, path]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    count, most = map(int, told.stdout.split())
    assert count == 10**6
    assert most * (1 if sys.platform == "darwin" else 1024) < 100e6


def test_every_mistake_of_the_list_is_told_at_once_with_its_line(shell: Shell) -> None:
    wrong = '- name: Ana\n- peer: "+12"\n- peer: "@bobo"\n  nmae: Bo\n- "@bobo"\n- {peer: [1]}\n'
    path = shell.write("wrong.yaml", wrong)
    told = (f"{path}:1: the peer is missing", f"{path}:2: ", f"{path}:4: unknown key 'nmae'")
    told += ("did you mean name?", f"{path}:6: ", "mistakes in the contact list; nothing was sent")
    shell.refuses(HELLO, "--sandbox", "--contacts", path, told=told)


def test_somebody_who_is_listed_twice_is_a_warning_and_gets_it_once(shell: Shell) -> None:
    shell.write("contacts.yaml", '- "@ana_maria"\n- "https://t.me/Ana_Maria"\n')
    result = shell.run(HELLO, "--dry-run", "--json")
    assert result.returncode == 0
    assert "contacts.yaml:2: https://t.me/Ana_Maria is already in line 1" in result.stderr
    assert len(result.stdout.splitlines()) == 2


LAUGHS = "contacts:\n- &a [x, x]\n" + "".join(
    f"- &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(20)
)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("list.yaml", "", "this list is empty"),
        ("list.yaml", "contacts:\n", "this list is empty"),
        ("list.csv", "", "this list is empty"),
        ("list.csv", "peer,name\n", "this list is empty"),
        ("list.jsonl", "", "this list is empty"),
        ("list.yaml", b"\x7fELF\x02\x01\x00\x00\xff", "NUL byte"),
        ("list.yaml", b"- \xe9\n", "not UTF-8"),
        ("list.csv", b"peer\n\xe9\n", "not UTF-8"),
        ("list.jsonl", b'{"peer": "\xe9"}\n', "not UTF-8"),
        ("list.csv", b"\xff\xfep\0e\0e\0r\0", "this list is empty"),
        ("list.yaml", "contacts: [\n", "not YAML"),
        ("list.yaml", "[" * 10_000, "lists within lists"),
        ("list.yaml", LAUGHS, "the anchor &u"),
        ("list.yaml", "contacts: &a [*a]\n", "alias"),
        ("list.yaml", "contacts: 7\n", "contacts is a list"),
        ("list.yaml", "- {peer: me, peer: me}\n", "given twice"),
        ("list.csv", "name\nAna\n", "none of them is peer"),
        ("list.jsonl", "nonsense\n", "not JSON"),
        ("list.jsonl", "[" * 100_000 + "\n", "lists within lists"),
        ("list.txt", "@ana_maria\n", ".yaml, .csv or .jsonl"),
    ],
)
def test_a_contact_list_that_is_none_is_named(
    shell: Shell, name: str, content: str | bytes, told: str
) -> None:
    path = shell.write(name, content)
    shell.refuses(HELLO, "--sandbox", "--contacts", path, told=(name, told))


@pytest.mark.parametrize("name", ["list.yaml", "list.csv", "list.jsonl"])
def test_fifty_megabytes_of_garbage_are_refused(shell: Shell, name: str) -> None:
    garbage = "peer\ngarbage, \N{AUTOMOBILE} and { more [ of it\n".encode()
    path = shell.write(name, garbage * (50_000_000 // len(garbage)))
    shell.refuses(HELLO, "--sandbox", "--contacts", path, told=(path, "nothing was sent"))
    shell.write(name, b"\xfe\x12" * 25_000_000)
    shell.refuses(HELLO, "--sandbox", "--contacts", path, told=(path, "nothing was sent"))


@pytest.mark.parametrize("name", ["no-such-file.yaml", "directory.yaml", "directory"])
def test_a_contact_list_that_is_no_file_is_named(shell: Shell, name: str) -> None:
    if name.startswith("directory"):
        (shell.here / name).mkdir()
    shell.refuses(HELLO, "--sandbox", "--contacts", name, told=(name,))


def test_a_contact_list_in_the_home_of_nobody_is_named(shell: Shell) -> None:
    path = "~no-such-user/contacts.yaml"
    shell.refuses(HELLO, "--sandbox", "--contacts", path, told=(path, "there is no such user"))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--to", "best"], ["@ana_maria", "@bobo"]),
        (["--to", "Carla Ruiz"], ["+34600000001"]),
        (["--to", "https://t.me/Bobo"], ["@bobo"]),
        (["--to", "best,madrid"], ["@ana_maria"]),
        (["--to", "madrid", "--to", "work"], ["@ana_maria", "+34600000001"]),
        (["--exclude", "best"], ["+34600000001"]),
        (["--to", "best", "--exclude", "madrid"], ["@bobo"]),
        (["--exclude", "madrid", "--exclude", "work"], ["@bobo"]),
    ],
)
def test_selectors_choose_recipients(shell: Shell, options: list[str], expected: list[str]) -> None:
    assert peers(shell, *options) == expected


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--to", "bset"], ("--to 'bset'", "Did you mean 'best'?", "best, madrid, work")),
        (["--exclude", "nobody"], ("--exclude 'nobody'", "best, madrid, work")),
        (["--to", "work,madrid"], ("--to 'work,madrid'",)),
        (["--to", "best,"], ("empty selector",)),
        (["--to", "best", "--exclude", "best"], ("nobody is left",)),
    ],
)
def test_a_selector_that_matches_nobody_is_an_error_that_lists_the_tags(
    shell: Shell, options: list[str], told: tuple[str, ...]
) -> None:
    shell.refuses(HELLO, "--sandbox", *options, told=told)


# --- the message


@pytest.mark.parametrize(
    ("text", "told"),
    [("", "MESSAGE is empty"), ("\n", "MESSAGE is empty"), ("** **", "the message is empty")],
)
def test_an_empty_message_is_refused(shell: Shell, text: str, told: str) -> None:
    shell.refuses(text, "--sandbox", told=(told, "nothing was sent"))


def test_an_empty_stdin_or_file_is_an_empty_message(shell: Shell) -> None:
    told = ("the message is empty; nothing was sent",)
    shell.refuses("-", "--sandbox", stdin=b"\n", told=told)
    shell.refuses("--message-file", shell.write("empty", ""), "--sandbox", told=told)
    shell.refuses("--message-file", os.devnull, "--sandbox", told=told)


def test_a_message_that_is_too_long_says_how_long_it_is(shell: Shell) -> None:
    cars = "\N{AUTOMOBILE}" * 2049
    told = ("4098 characters as Telegram counts them", "allows 4096", "nothing was sent")
    shell.refuses(cars, "--sandbox", told=told)
    shell.refuses("-", "--sandbox", stdin=cars.encode(), told=told)
    assert "3 would get it" in dry(shell, f"**{'x' * 4096}**")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["send"], "there is no message"),
        ([HELLO, "--message-file", "contacts.yaml"], "not both"),
        (["--message-file", "no-such-file"], "no-such-file: cannot be read: No such file"),
        (["--message-file", "."], ".: cannot be read: Is a directory"),
        (["--message-file", "binary"], "binary: not UTF-8 at byte 3"),
        (["--message-file", "huge"], "huge: more than a million bytes"),
        (["--message-file", "~no-such-user/text"], "~no-such-user/text: there is no such user"),
        ([b"caf\xe9"], "not valid UTF-8"),
    ],
)
def test_a_message_that_cannot_be_read_is_named(
    shell: Shell, arguments: list[str | bytes], told: str
) -> None:
    shell.write("binary", b"ab\xff\x00")
    shell.write("huge", b"x" * 1_000_001)
    shell.refuses(*arguments, "--sandbox", told=(told,))


def test_a_stdin_that_is_no_text_is_refused(shell: Shell) -> None:
    shell.refuses("-", "--sandbox", stdin=b"caf\xe9", told=("stdin: not UTF-8 at byte 4",))


# --- options


@pytest.mark.parametrize("command", ["send", "preview", "edit", "whoami", "resume"])
def test_only_where_a_message_is_taken_is_told_how_one_may_begin_with_a_dash(
    shell: Shell, command: str
) -> None:
    told = shell.refuses(command, "-5 degrees", told=("has no option",))
    assert ("begins with a dash" in told) is (command in {"send", "preview", "edit"})


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--frobnicate"], ("has no option", "--frobnicate")),
        (["--dryrun"], ("--dryrun", "--dry-run")),
        (
            ["--format", "rtf"],
            ("--format must be one of md, html, plain, not 'rtf'", "md", "html", "plain"),
        ),
        (["--rate", "0"], ("'0' is neither a number", "max")),
        (["--rate", "fast"], ("'fast' is neither a number",)),
        (["--rate", "nan"], ("'nan' is neither a number",)),
        (["--concurrency", "0"], ("--concurrency", "a whole number from 1 to 1000")),
        (["--concurrency", "many"], ("--concurrency", "'many'")),
        (["--to"], ("--to", "--to needs a value: write --to SELECTOR")),
    ],
)
def test_an_option_that_is_none_is_named(
    shell: Shell, options: list[str], told: tuple[str, ...]
) -> None:
    shell.refuses(HELLO, "--sandbox", *options, told=told)


def test_nothing_at_all_shows_the_help(shell: Shell) -> None:
    result = shell.run()
    assert result.returncode == 2
    assert "Usage: broadcast" in result.stdout + result.stderr


def test_help_and_version_are_no_messages(shell: Shell) -> None:
    for option in ("--help", "-h"):
        result = shell.run(option)
        assert (result.returncode, result.stderr) == (0, "")
        assert "Usage: broadcast" in result.stdout
    assert shell.run("--version").stdout.startswith("broadcast, version")
    assert "--dry-run" in shell.run("send", "--help").stdout
    assert "--dry-run" in shell.run(HELLO, "--help").stdout


# --- a home that cannot be written


@pytest.mark.parametrize("options", [[], ["--sandbox"]])
def test_a_home_that_is_read_only_is_named(shell: Shell, options: list[str]) -> None:
    shell.home.mkdir(mode=0o500)
    told = shell.refuses(
        HELLO, *options, env=CREDENTIALS, preexec_fn=obey_permissions, told=(str(shell.home),)
    )
    assert "Permission denied" in told


def test_a_home_that_was_used_and_is_read_only_now_is_named(shell: Shell) -> None:
    sessions = shell.home / "sessions" / "2@127.0.0.1_1"
    sessions.mkdir(parents=True)
    (sessions / "me.session.lock").touch()
    sessions.chmod(0o500)
    told = (str(sessions), "cannot be written", "Permission denied", "BROADCAST_HOME")
    shell.refuses("whoami", env=CREDENTIALS, preexec_fn=obey_permissions, told=told)


@pytest.mark.parametrize("options", [[], ["--sandbox"]])
def test_a_home_below_a_file_is_named(shell: Shell, options: list[str]) -> None:
    env = CREDENTIALS | {"BROADCAST_HOME": str(shell.here / "contacts.yaml" / "home")}
    shell.refuses(HELLO, *options, env=env, told=(env["BROADCAST_HOME"],))


# --- a stdout that nobody reads


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a disk that is always full")  # noqa: PTH110
@pytest.mark.parametrize(("more", "code"), [((), 0), (("--contacts", "none.yaml"), 2)])
def test_a_full_stderr_changes_nothing(shell: Shell, more: tuple[str, ...], code: int) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        result = shell.run(HELLO, "--sandbox", *more, stderr=full)
    assert result.returncode == code
    assert shell.has_sent() == (code == 0)


def test_with_a_closed_stderr_it_is_sent_all_the_same(shell: Shell) -> None:
    command = ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-m", "broadcast"]
    result = subprocess.run(
        [*command, HELLO, "--sandbox", "--json"],
        cwd=shell.here,
        env=shell.clean_environment({}),
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert result.returncode == 0
    assert [json.loads(line)["type"] for line in result.stdout.splitlines()][-1] == "summary"
    assert shell.has_sent()


@pytest.mark.parametrize(
    "options", [["--json", "--dry-run"], ["--dry-run"], ["--sandbox"], ["--sandbox", "--json"]]
)
def test_a_closed_stdout_is_refused(shell: Shell, options: list[str]) -> None:
    command = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-m", "broadcast"]
    result = subprocess.run(
        [*command, HELLO, *options],
        cwd=shell.here,
        env=shell.clean_environment({}),
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert result.returncode == 2
    assert "stdout is closed" in result.stderr
    assert "nothing was sent" in result.stderr
    assert "Traceback" not in result.stderr
    assert not shell.has_sent()


@pytest.mark.parametrize(
    "options", [["--json", "--dry-run"], ["--dry-run"], ["--sandbox"], ["--sandbox", "--json"]]
)
def test_a_pipe_whose_reader_is_gone_is_refused(shell: Shell, options: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    told = ("the reader of stdout is gone; nothing was sent",)
    shell.refuses(HELLO, *options, stdout=writer, told=told)
    os.close(writer)


@pytest.mark.parametrize("options", [["--json"], []])
def test_a_reader_who_has_seen_enough_is_no_error(shell: Shell, options: list[str]) -> None:
    long = "peer\n" + "".join(f"@friend{number}\n" for number in range(5000))
    path = shell.write("long.csv", long)
    with shell.start(HELLO, "--dry-run", "--contacts", path, *options) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_records_that_nobody_reads_to_their_end_are_no_error(shell: Shell) -> None:
    people = shell.write("people.csv", "\n".join(["peer", *map(str, range(10**9, 10**9 + 250))]))
    sent = shell.run(HELLO, "--sandbox", "--yes", "--rate", "max", "--contacts", people, "--quiet")
    assert (sent.returncode, sent.stderr) == (0, "")
    shown = shell.run("show", "--sandbox")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert len(shown.stdout.splitlines()) == 252  # each of them, and not only a screenful
    with shell.start("show", "--json", "--sandbox") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_a_closed_stdin_is_no_message(shell: Shell) -> None:
    command = ["sh", "-c", 'exec "$@" <&-', "sh", sys.executable, "-m", "broadcast"]
    result = subprocess.run(
        [*command, "-", "--sandbox"],
        cwd=shell.here,
        env=shell.clean_environment({}),
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "Error: stdin is closed, so there is no message; nothing was sent\n"


def test_a_terminal_that_knows_only_ascii_ends_no_run(shell: Shell) -> None:
    shell.write("contacts.yaml", '- {peer: "@zoe", name: Zoë}\n')
    env = {"PYTHONIOENCODING": "ascii"}
    assert "Zo\\xeb" in dry(shell, HELLO, env=env)
    row, _ = dry(shell, HELLO, "--json", env=env).splitlines()
    assert json.loads(row)["name"] == "Zoë"


# --- more than 20 recipients


def asked_at_a_terminal(
    shell: Shell, *arguments: str, answer: bytes, ahead: bytes = b""
) -> tuple[int, str, str]:
    """The exit code, stdout, and what stands on the terminal; `ahead` is typed before it asks."""
    ours, theirs = pty.openpty()
    with shell.start(*arguments, stdin=theirs, stderr=theirs) as process:
        os.close(theirs)
        os.write(ours, ahead)
        shown = b""
        while True:
            if answer and b"[y/N]" in shown:
                os.write(ours, answer)
                answer = b""
            try:
                part = os.read(ours, 4096)
            except OSError:  # how Linux says that the other end is closed
                break
            if not part:
                break
            shown += part
        assert process.stdout is not None
        out = process.stdout.read()
    os.close(ours)
    return process.returncode, out.decode(), shown.decode()


@pytest.mark.parametrize("options", [["--json"], []])
def test_more_than_twenty_are_asked_for_at_a_terminal(shell: Shell, options: list[str]) -> None:
    shell.write("many.csv", "peer\n" + "".join(f"@friend{number}\n" for number in range(21)))
    arguments = (HELLO, "--sandbox", "--contacts", "many.csv", *options)
    code, out, shown = asked_at_a_terminal(shell, *arguments, answer=b"n\n")
    assert code == 2
    assert not out  # the question is not the report
    for part in (HELLO, "@friend0", "... and 11 more", "Send it to 21 people?", "nothing was sent"):
        assert part in shown
    assert "Traceback" not in shown
    assert not shell.has_sent()


def test_what_was_typed_before_the_question_is_no_answer(shell: Shell) -> None:
    shell.write("many.csv", "peer\n" + "".join(f"@friend{number}\n" for number in range(21)))
    arguments = (HELLO, "--sandbox", "--contacts", "many.csv")
    code, _, shown = asked_at_a_terminal(shell, *arguments, answer=b"n\n", ahead=b"y\n")
    assert (code, shell.has_sent()) == (2, False), shown


# --- the sandbox's inbox


def test_an_inbox_that_nothing_reached_says_how_to_fill_it(shell: Shell) -> None:
    result = shell.run("sandbox", "inbox")
    assert (result.returncode, result.stdout) == (0, "")
    assert "--sandbox" in result.stderr
    assert shell.run("sandbox", "inbox", "--json").stdout == ""
    assert shell.run("sandbox", "inbox", "--clear").returncode == 0


# --- how fast, for how long, at what price


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--max-wait", "soon"], "'soon' is not a length of time: write 90s, 15m, 2h or 1d"),
        (["--patience", "-5"], "is not a length of time"),
        (["--canary", "0"], "--canary"),
        (["--rate", "0"], "neither a number of messages a second nor max"),
        (["--paid"], "--stars-budget 500"),
        (["--stars-budget", "5"], "--stars-budget is for --paid"),
        (["--dry-run", "--rehearse"], "not both at once"),
    ],
)
def test_a_pace_that_makes_no_sense_sends_nothing(
    shell: Shell, arguments: list[str], told: str
) -> None:
    shell.refuses(HELLO, "--sandbox", *arguments, told=(told,))


@pytest.mark.parametrize(
    "options", [["--in", "30"], ["--in", "1h", "--not-later-than", "30"], ["--max-wait", "30"],
    ["--patience", "30"]],
)  # fmt: skip
def test_a_bare_number_is_no_time(shell: Shell, options: list[str]) -> None:
    shell.refuses(HELLO, "--sandbox", *options, told=(options[-2], "write 30s, 30m or 30h"))


@pytest.mark.parametrize("time", ["0", "90s", "1.5m", "2h", "1d"])
def test_a_time_may_be_written_in_any_unit(shell: Shell, time: str) -> None:
    result = shell.run(HELLO, "--sandbox", "--max-wait", time, "--patience", time)
    assert result.returncode == 0, result.stderr


def test_a_paid_broadcast_tells_its_price_before_and_after(shell: Shell) -> None:
    shell.write("many.csv", "peer\n" + "".join(f"{123450000 + n}\n" for n in range(60)))
    many = ("--contacts", "many.csv")
    result = shell.run(HELLO, "--sandbox", *many, "--paid", "--stars-budget", "20")
    assert result.returncode == 0, result.stderr
    assert "at most 6.0 Stars for 60 messages; the budget is 20" in result.stderr
    assert "60 sent, 0 failed" in result.stdout
    assert "Stars" in result.stdout


def test_a_paid_broadcast_stops_at_its_budget_and_can_be_gone_on_with(shell: Shell) -> None:
    shell.write("many.csv", "peer\n" + "".join(f"{123450000 + n}\n" for n in range(60)))
    paid = ("--sandbox", "--paid", "--stars-budget")
    result = shell.run(HELLO, "--contacts", "many.csv", *paid, "1")
    assert result.returncode == 3, result.stderr
    assert "the budget is 1, so it may stop after about 10 of them" in result.stderr
    assert "the budget of 1 Stars is spent" in result.stderr
    summary = json.loads(shell.run("resume", *paid, "20", "--json").stdout.splitlines()[-1])
    assert summary["sent"] == 60
    assert 1.0 < summary["stars"] <= 6.0


# -- canaries, prices and failures that are told as they are --


def blocked(*numbers: int) -> str:
    return "".join(f"@blocked_{number}\n" for number in numbers)


def friends(*numbers: int) -> str:
    return "".join(f"@friend{number}_x\n" for number in numbers)


def test_when_all_have_failed_nothing_is_left_to_stop(shell: Shell) -> None:
    shell.write("list.csv", "peer\n" + blocked(*range(25)))
    result = shell.run(HELLO, "--sandbox", "--contacts", "list.csv", "--yes")
    assert result.returncode == 1, result.stderr
    assert "stopped" not in result.stderr


def test_a_canary_is_looked_at_however_large_it_is(shell: Shell) -> None:
    shell.write("list.csv", "peer\n" + blocked(*range(30)) + friends(*range(5)))
    result = shell.run(HELLO, "--sandbox", "--contacts", "list.csv", "--yes", "--canary", "30")
    assert result.returncode == 3, result.stderr
    assert "canary: 0 sent, 30 failed" in result.stderr
    assert "stopped: too many of the first failed" in result.stderr
    assert "5 not sent" in result.stderr
    assert "interrupted" not in result.stderr  # by nobody


def test_a_canary_tells_of_its_own_failures_only(shell: Shell) -> None:
    shell.write("list.csv", "peer\n" + blocked(1) + friends(*range(5)))
    many = ("--sandbox", "--contacts", "list.csv", "--canary", "1")
    result = shell.run(HELLO, *many)
    assert result.returncode == 3, result.stderr
    assert "canary: 0 sent, 1 failed, 5 pending\n  @blocked" in result.stderr
    result = shell.run("resume", "--sandbox", "--canary", "2")
    assert result.returncode == 1, result.stderr
    assert "canary: 2 sent, 0 failed, 3 pending\nnext:" in result.stderr


def test_a_canary_that_stops_ends_with_a_summary(shell: Shell) -> None:
    shell.write("list.csv", "peer\n" + blocked(1, 2) + friends(*range(8)))
    many = ("--sandbox", "--contacts", "list.csv", "--json", "--canary", "2")
    result = shell.run(HELLO, *many)
    assert result.returncode == 3, result.stderr
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row.get("status") for row in rows] == ["failed"] * 2 + ["pending"] * 8 + [None]
    assert (rows[-1]["type"], rows[-1]["pending"]) == ("summary", 8)


def test_a_retry_and_an_edit_have_canaries_of_their_own(shell: Shell) -> None:
    shell.write("list.csv", "peer\n" + friends(1, 2) + blocked(*range(5)))
    assert shell.run(HELLO, "--sandbox", "--contacts", "list.csv").returncode == 1
    result = shell.run("retry", "--all", "--canary", "1", "--sandbox")
    assert result.returncode == 3, result.stderr
    assert "canary: 0 sent, 1 failed, 4 pending" in result.stderr


def test_quiet_is_quiet_when_all_is_well(shell: Shell) -> None:
    shell.write("list.csv", "peer\n123450001\n123450002\n")
    many = ("--sandbox", "--contacts", "list.csv", "--quiet")
    result = shell.run(HELLO, *many, "--canary", "1", "--paid", "--stars-budget", "5")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_an_edit_and_a_recall_cost_nothing(shell: Shell) -> None:
    assert shell.run(HELLO, "--sandbox").returncode == 0
    paid = ("--sandbox", "--paid", "--stars-budget", "5", "--yes")
    for command in (["edit", "6", "new"], ["recall", "6"]):
        result = shell.run(*command, *paid)
        assert result.returncode == 2
        assert "costs nothing" in result.stderr


def test_a_bots_broadcast_is_gone_on_with_as_that_bot(shell: Shell) -> None:
    shell.write("many.csv", "peer\n" + "".join(f"{123450000 + n}\n" for n in range(60)))
    paid = ("--sandbox", "--paid", "--stars-budget", "1")
    assert shell.run(HELLO, "--contacts", "many.csv", *paid, "--yes").returncode == 3
    result = shell.run("resume", "--sandbox")
    assert result.returncode == 0, result.stderr
    assert "60 sent" in result.stdout


def test_a_token_alone_makes_a_bot_of_the_sandbox(shell: Shell) -> None:
    button = ("--button", "A=https://a.b", "--sandbox")
    assert "buttons are for bots" in shell.run(HELLO, *button).stderr
    shell.write("one.yaml", "- '@ana'")
    result = shell.run(
        HELLO, *button, "--contacts", "one.yaml", env={"TELEGRAM_BOT_TOKEN": "123456:" + "x" * 35}
    )
    assert result.returncode == 0, result.stderr
    assert "[buttons A <https://a.b>]" in shell.run("sandbox", "inbox").stdout


def test_a_rehearsal_is_the_real_run(shell: Shell) -> None:
    shell.write("list.csv", "peer\n" + blocked(1, 2) + friends(*range(8)))
    result = shell.run(HELLO, "--contacts", "list.csv", "--rehearse", "--canary", "2")
    assert "Telegram would never ask to wait\n" in result.stdout
    assert result.returncode == 3, result.stderr
    assert "It would stop: too many of the first failed" in result.stdout
    assert "8 would be left" in result.stdout
    result = shell.run(HELLO, "--contacts", "list.csv", "--rehearse", "--canary", "2", "--json")
    assert (result.returncode, json.loads(result.stdout.splitlines()[-1])["pending"]) == (3, 8)
    assert "it would stop: too many of the first failed" in result.stderr
    result = shell.run(HELLO, "--contacts", "list.csv", "--rehearse", "--canary", "10")
    assert (result.returncode, "8 would get it, 2 would fail" in result.stdout) == (1, True)


# --- options that would do nothing

IDLE = {
    "--concurrency": "5",
    "--canary": "5",
    "--max-failures": "50",
    "--max-wait": "1m",
    "--patience": "1m",
    "--quiet": "",
}


@pytest.mark.parametrize(
    "arguments",
    [
        *([HELLO, "--dry-run", name, *([value] if value else [])] for name, value in IDLE.items()),
        *(
            ["preview", HELLO, name, *([value] if value else [])]
            for name, value in {**IDLE, "--rate": "1", "--stars-budget": "5"}.items()
        ),
        ["preview", HELLO, "--paid", "--stars-budget", "5"],
        ["sandbox", "inbox", "--clear", "--json"],
        ["sandbox", "inbox", "--clear", "--scheduled"],
    ],
    ids=" ".join,
)
def test_an_option_that_does_nothing_there_is_refused(shell: Shell, arguments: list[str]) -> None:
    shell.refuses(*arguments, told=("does nothing with",))


def test_an_option_of_the_environment_is_for_all_commands(shell: Shell) -> None:
    dry(shell, HELLO, env={"BROADCAST_CANARY": "5", "BROADCAST_QUIET": "yes"})


def test_show_writes_a_file_or_json(shell: Shell) -> None:
    assert shell.run(HELLO, "--sandbox", "--rate", "max").returncode == 0
    result = shell.run("show", "--sandbox", "--csv", "x.csv", "--json")
    assert result.returncode == 2
    assert "--json does nothing with --csv" in result.stderr
    assert not (shell.here / "x.csv").exists()
