import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broadcast.core.errors import HaltedError, LockedError, SettingsError
from broadcast.sandbox.journal import Journal

RECORDS = [{"t": "key", "id": 2**64 - 1}, {"t": "text", "text": "line\nbreak, Zoë \u2028"}]


def test_what_was_appended_is_replayed_in_order(tmp_path):
    with Journal(tmp_path / "journal") as journal:
        journal.append(RECORDS)
        journal.append([{"t": "last"}])
        assert list(journal.replay()) == [*RECORDS, {"t": "last"}]
    with Journal(tmp_path / "journal") as journal:
        assert list(journal.replay()) == [*RECORDS, {"t": "last"}]


def test_appending_goes_on_where_the_last_run_stopped(tmp_path):
    for number in range(3):
        with Journal(tmp_path / "journal") as journal:
            assert [record["n"] for record in journal.replay()] == list(range(number))
            journal.append([{"n": number}])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full")
def test_a_full_disk_says_what_to_do_and_lets_the_journal_go(tmp_path):
    path = tmp_path / "journal"
    full = Path("/dev/full").open("wb")  # noqa: SIM115 - the journal closes it
    with Journal(path) as journal:
        journal._file.close()
        journal._file = full
        with pytest.raises(HaltedError, match=r"journal cannot be written: No space.*Free some"):
            journal.append(RECORDS)
    assert full.closed
    with Journal(path) as journal:
        assert list(journal.replay()) == []


@given(cut=st.integers(1, 20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_torn_last_line_is_cut_off(tmp_path, cut):
    path = tmp_path / "journal"
    path.unlink(missing_ok=True)
    with Journal(path) as journal:
        journal.append([{"n": 1}, {"n": 2, "text": "torn in the middle"}])
    path.write_bytes(path.read_bytes()[:-cut])
    with Journal(path) as journal:
        assert list(journal.replay()) == [{"n": 1}]
        journal.append([{"n": 3}])
        assert list(journal.replay()) == [{"n": 1}, {"n": 3}]


def test_a_torn_line_longer_than_a_block_is_cut_off(tmp_path):
    path = tmp_path / "journal"
    path.write_bytes(b'{"n":1}\n{"text":"' + b"x" * 200_000)
    with Journal(path) as journal:
        assert list(journal.replay()) == [{"n": 1}]
    assert path.read_bytes() == b'{"n":1}\n'


@pytest.mark.parametrize("content", [b"", b'{"torn'])
def test_a_journal_without_a_whole_line_is_empty(tmp_path, content):
    path = tmp_path / "journal"
    path.write_bytes(content)
    with Journal(path) as journal:
        assert list(journal.replay()) == []


@pytest.mark.parametrize("line", [b"{no json}", b"[1, 2]", b"", b"\xff\xfe"])
def test_any_other_damage_is_refused_with_its_line(tmp_path, line):
    path = tmp_path / "journal"
    path.write_bytes(b'{"n":1}\n' + line + b'\n{"n":3}\n')
    with (
        Journal(path) as journal,
        pytest.raises(SettingsError, match=rf"{path}:2: .*damaged"),
    ):
        list(journal.replay())


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_only_its_owner_may_read_it(tmp_path):
    path = tmp_path / "journal"
    path.touch(mode=0o644)
    with Journal(path) as journal:
        journal.append(RECORDS)
    for file in (path, tmp_path / "journal.lock"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_second_user_is_told_who_the_first_is(tmp_path):
    path = tmp_path / "journal"
    with (
        Journal(path),
        pytest.raises(LockedError, match=rf"{path} is used by process {os.getpid()}:"),
        Journal(path),
    ):
        pass
    with Journal(path):
        pass


def test_a_second_user_does_not_cut_what_the_first_is_writing(tmp_path):
    path = tmp_path / "journal"
    with Journal(path) as journal:
        journal.append([{"n": 1}])
        with path.open("ab") as file:
            file.write(b'{"n":')
        with pytest.raises(LockedError), Journal(path):
            pass
        assert path.read_bytes().endswith(b'{"n":')


def test_a_path_that_cannot_be_opened_is_named(tmp_path):
    (tmp_path / "journal").mkdir()
    with pytest.raises(SettingsError, match=rf"{tmp_path / 'journal'} cannot be opened"):
        Journal(tmp_path / "journal").__enter__()


def test_directories_on_the_way_are_made(tmp_path):
    with Journal(tmp_path / "a" / "b" / "journal") as journal:
        assert list(journal.replay()) == []


def test_nothing_is_appended_to_a_closed_journal(tmp_path):
    with pytest.raises(RuntimeError):
        Journal(tmp_path / "journal").append(RECORDS)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_what_was_appended_survives_a_sigkill(tmp_path):
    program = (
        "import os, signal, sys\n"
        "from broadcast.sandbox.journal import Journal\n"
        "with Journal(sys.argv[1]) as journal:\n"
        "    journal.append([{'n': n} for n in range(1000)])\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "journal"
    done = subprocess.run([sys.executable, "-c", program, path], check=False, cwd=Path.cwd())
    assert done.returncode == -signal.SIGKILL
    with Journal(path) as journal:
        assert [record["n"] for record in journal.replay()] == list(range(1000))
