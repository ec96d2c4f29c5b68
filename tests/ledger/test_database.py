"""The file of the ledger: its versions, and what is said when it cannot be used."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from broadcast.core.errors import (
    BroadcastError,
    HaltedError,
    InputError,
    LockedError,
    SettingsError,
)
from broadcast.core.model import Action, Contact, Halted, Message, Sent, State, Status
from broadcast.core.peers import parse_peer
from broadcast.ledger.memory import in_memory
from broadcast.ledger.process import this_process
from broadcast.ledger.sqlite import store
from broadcast.ledger.sqlite.database import Database, Statements, read_migrations
from broadcast.ledger.sqlite.ledger import SqliteLedger
from broadcast.people.audience import Audience
from tests.ledger.opened import (
    ACCOUNT,
    HELLO,
    NOW,
    Opened,
    audience,
    create,
    everything,
    new_id,
    opened,
    send_all,
    settle_all,
)
from tests.test_cli import obey_permissions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIRST = "CREATE TABLE one (a); -- a comment; with a semicolon\nINSERT INTO one VALUES (1);\n"
SECOND = "-- the second\nCREATE TABLE two (\n    b TEXT DEFAULT ';'\n);\nINSERT INTO one VALUES (2)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Another program is in the middle of a transaction."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def values(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as connection:
        return [value for (value,) in connection.execute("SELECT a FROM one ORDER BY a")]


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA user_version").fetchone()[0]


# --- versions


def test_a_new_file_has_the_newest_version_and_there_is_nothing_to_back_up(path: Path) -> None:
    with Database(path, migrations=[FIRST, SECOND]):
        pass
    assert (version(path), values(path)) == (2, [1, 2])
    with SqliteLedger(path.with_name("real.db")):
        pass
    assert version(path.with_name("real.db")) == len(read_migrations())
    assert {file.name for file in path.parent.iterdir()} == {"ledger.db", "real.db"}


def test_an_older_file_is_migrated_with_a_backup_beside_it(path: Path) -> None:
    with Database(path, migrations=[FIRST]):
        pass
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO one VALUES (9)")
    for _ in range(2):
        with Database(path, migrations=[FIRST, SECOND]):
            pass
        backup = path.with_name("ledger.db.v1.bak")
        assert (version(path), values(path)) == (2, [1, 2, 9])
        assert (version(backup), values(backup)) == (1, [1, 9])
        assert stat.S_IMODE(backup.stat().st_mode) == 0o600


def test_a_migration_that_fails_changes_nothing(path: Path) -> None:
    with Database(path, migrations=[FIRST]):
        pass
    broken = [FIRST, SECOND, "INSERT INTO one VALUES (3);\nINSERT INTO nowhere VALUES (1);"]
    with (
        pytest.raises(HaltedError, match="no such table: nowhere"),
        Database(path, migrations=broken),
    ):
        pass
    assert (version(path), values(path)) == (1, [1])
    with Database(path, migrations=[FIRST, SECOND]):
        pass
    assert (version(path), values(path)) == (2, [1, 2])


def test_a_broadcast_of_the_version_before_parts_and_schedules_goes_on(path: Path) -> None:
    """Half sent, with one deferred, as version 2 wrote it."""
    with Database(path, migrations=read_migrations()[:2]):
        pass
    low = 2**32
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO broadcast (number, id, action, text, format, created_at, total, "
            "end_position, next_position, sent) VALUES (1, 'b1', 'send', 'Hi', 'md', 0, 4, 4, 3, 2)"
        )
        people = [(low + n, f"@friend{n}", '{"name":"Ana"}' if n else None) for n in range(4)]
        connection.executemany("INSERT INTO recipient VALUES (?, ?, ?)", people)
        outcomes = [(low, 1, 7, 5, None), (low + 1, 1, None, 5, None)]
        connection.executemany("INSERT INTO outcome VALUES (?, ?, ?, ?, ?)", outcomes)
        connection.execute("INSERT INTO waiting VALUES (?, 1, 1, 'FLOOD_WAIT', 0, 0)", [low + 2])
    with opened(path) as ledger:
        found = ledger.find("b1")
        assert (found.message, found.schedule) == (Message("Hi"), None)
        run = asyncio.run(ledger.take_over(found, account=ACCOUNT))
        assert asyncio.run(run.next_due()) is not None
        claimed = asyncio.run(run.claim(9, NOW))
        assert [(d.position, d.attempts, d.part) for d in claimed] == [(2, 1, 0), (3, 0, 0)]
        asyncio.run(run.settle([(delivery, Sent(9)) for delivery in claimed], NOW))
        asyncio.run(run.finish())
        after = ledger.reload(found)
        assert after.state is State.DONE
        ids = [record.outcome for record in ledger.records(after)]
        assert ids == [Sent(7), Sent(None), Sent(9), Sent(9)]


def test_what_version_4_kept_in_words_is_kept_as_facts(path: Path) -> None:
    with Database(path, migrations=read_migrations()[:4]):
        pass
    low = 2**32
    new = "INSERT INTO broadcast (number, id, action, text, format, created_at, total, "
    new += "end_position, next_position, sent, note, halted, due_first, due_last) VALUES "
    halts = [(None, None), ("old", None), ("no net", "OFFLINE"), ("limited", "PEER_FLOOD")]
    with closing(sqlite3.connect(path)) as connection, connection:
        for number, (note, halted) in enumerate(halts, 1):
            values = f"({number}, 'b{number}', 'send', 'Hi', 'md', 0, 3, 3, 2, 2, ?, ?, 1, 1)"
            connection.execute(new + values, [note, halted])
        people = [(low + n, f"@friend{n}") for n in range(3)]
        connection.executemany("INSERT INTO recipient (key, peer) VALUES (?, ?)", people)
        notes = ["at Telegram until 2026-12-24 18:00 UTC", "it could not be pinned"]
        outcomes = [(low + n, 1, n, 5, note) for n, note in enumerate(notes)]
        keep = "INSERT INTO outcome (key, sent, message_id, at, note) VALUES (?, ?, ?, ?, ?)"
        connection.executemany(keep, outcomes)
    with opened(path) as ledger:
        first = ledger.find("b1")
        records = list(ledger.records(first, Status.SENT))
        christmas = datetime(2026, 12, 24, 18, 0, tzinfo=UTC)
        assert records[0].outcome == Sent(0, scheduled_until=christmas)
        assert records[1].outcome == Sent(1, note="it could not be pinned")
        assert [each.id for each in ledger.due(NOW)] == ["b1", "b2", "b3"]
        assert [each.halted for each in ledger.newest()] == [
            Halted("PEER_FLOOD", "limited"),
            Halted("OFFLINE", "no net", ends_by_itself=True),
            Halted("", "old", ends_by_itself=True),
            None,
        ]


def test_of_what_version_5_wrote_nobody_knows_how_it_was_chosen(path: Path) -> None:
    """So the people in it decide who is new under its key."""
    with Database(path, migrations=read_migrations()[:5]):
        pass
    new = "INSERT INTO broadcast (number, id, action, text, format, once_key, created_at, total, "
    new += "end_position, next_position, sent, state) "
    new += "VALUES (1, 'b1', 'send', 'Hi', 'md', 'menu', 0, 2, 2, 2, 2, 'done')"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(new)
        people = [(2**32, "@friend0"), (2**32 + 1, 12345)]
        connection.executemany("INSERT INTO recipient (key, peer) VALUES (?, ?)", people)
        outcomes = [(key, 1, key, 5) for key, _ in people]
        keep = "INSERT INTO outcome (key, sent, message_id, at) VALUES (?, ?, ?, ?)"
        connection.executemany(keep, outcomes)
    with opened(path) as ledger:
        found = ledger.by_once("menu")
        assert found is not None
        assert found.selection is None
        chosen = Audience(Contact(parse_peer(peer)) for peer in ("12345", "@new", "t.me/friend0"))
        new_ones = ledger.newcomers(found, chosen)
        assert [contact.peer.text for contact in new_ones] == ["@new"]
        extended = ledger.extend(found, chosen)
        assert (extended.counts.total, extended.counts.pending) == (3, 1)


def test_a_process_of_the_version_before_is_not_disturbed(path: Path) -> None:
    """It goes on writing its leases, and names no start of the machine."""
    with opened(path) as ledger:
        broadcast = create(ledger)
        asyncio.run(ledger.take_over(broadcast, account=ACCOUNT))
        old = {each: told for each, told in json.loads(this_process()).items() if each != "boot"}
        with closing(sqlite3.connect(path)) as connection, connection:
            owner = "UPDATE broadcast SET owner = ?, alive_until = NULL"
            connection.execute(owner, [json.dumps(old)])
        assert ledger.reload(broadcast).owner is not None

    async def give_a_sign(_: float) -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE broadcast SET lease_until = lease_until + 1")

    with (
        opened(path, sleep=give_a_sign) as ledger,
        pytest.raises(LockedError, match="is being sent by process"),
    ):
        asyncio.run(ledger.take_over(broadcast, account=ACCOUNT))


# --- what a commit promises


def test_a_commit_has_reached_the_disk_when_it_returns(path: Path) -> None:
    """Also when the machine loses its power: on the very connections that are used."""
    with opened(path) as ledger:

        def pragmas(sql: Statements) -> tuple[int, str]:
            connection = sql._connection
            (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
            (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
            return synchronous, journal

        full = 2
        assert asyncio.run(ledger._database.write(pragmas)) == (full, "wal")


def test_a_file_of_a_newer_version_is_refused_and_left_as_it_is(path: Path) -> None:
    with Database(path, migrations=[*read_migrations(), "CREATE TABLE later (a);"]):
        pass
    before = path.read_bytes()
    with pytest.raises(SettingsError, match=r"ledger\.db.*newer broadcast.*Upgrade"):
        SqliteLedger(path).__enter__()
    assert path.read_bytes() == before


def test_many_processes_may_open_a_new_file_at_once(path: Path) -> None:
    """Each makes the schema, or sees that another has made it."""
    code = (
        "import asyncio, sys; from pathlib import Path\n"
        "from broadcast.ledger.sqlite.ledger import SqliteLedger\n"
        "input()\n"
        "with SqliteLedger(Path(sys.argv[1]), busy_timeout=50) as ledger:\n"
        "    asyncio.run(ledger.newest())\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    try:
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate(timeout=50)[1] for process in processes]
        assert said == [""] * len(processes)
    finally:
        for process in processes:
            process.kill()
            process.wait(30)
    assert version(path) == len(read_migrations())


# --- trouble


def try_everything(path: Path) -> list[BroadcastError]:
    """What each use of the ledger at `path` says; anything that no person understands is raised."""
    said: list[BroadcastError] = []
    try:
        with opened(path, busy_timeout=0.0) as ledger:
            for use in (
                lambda: [*ledger.newest(), ledger.find()],
                lambda: ledger.find(unfinished=True),
                lambda: ledger.by_once("menu"),
                lambda: [list(ledger.records(each)) for each in ledger.newest()],
                lambda: create(ledger, 400),
                lambda: asyncio.run(ledger.ask(ledger.find(), State.CANCELLED)),
                lambda: send_all(ledger, ledger.find()),
                lambda: asyncio.run(ledger.requeue_failed(ledger.find(), insist=True)),
                lambda: asyncio.run(
                    ledger.create_change(new_id(), Action.EDIT, ledger.find(), HELLO)
                ),
            ):
                try:
                    use()
                except BroadcastError as error:
                    said.append(error)
    except BroadcastError as error:
        said.append(error)
    return said


def filled(path: Path) -> int:
    """A ledger with three broadcasts in all; its size."""
    with opened(path) as ledger:
        for _ in range(3):
            send_all(ledger, create(ledger, 500), 1, 2, 3)
    return path.stat().st_size


@pytest.mark.parametrize("garbage", [b"garbage" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_ledger_says_what_to_do(path: Path, garbage: bytes) -> None:
    path.write_bytes(garbage)
    with pytest.raises(HaltedError, match=r"ledger\.db: the file is damaged.*Restore a copy"):
        SqliteLedger(path).__enter__()
    assert path.read_bytes() == garbage


@pytest.mark.parametrize("part", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_file_that_was_cut_says_what_to_do(path: Path, part: float) -> None:
    size = filled(path)
    os.truncate(path, int(size * part) // 4096 * 4096 + 100)
    said = try_everything(path)
    assert any("the file is damaged" in str(error) for error in said)


@pytest.mark.parametrize("page", range(1, 12))
def test_a_page_full_of_noise_says_what_to_do_or_is_never_met(path: Path, page: int) -> None:
    filled(path)
    with path.open("r+b") as file:
        file.seek(page * 4096)
        file.write(bytes(range(256)) * 16)
    for error in try_everything(path):
        assert isinstance(error, BroadcastError)


def test_a_directory_in_its_place_says_what_to_do(path: Path) -> None:
    path.mkdir()
    with pytest.raises(HaltedError, match=r"cannot be written.*permissions"):
        SqliteLedger(path).__enter__()


def test_a_file_that_another_program_holds_stops_writing_and_not_reading(path: Path) -> None:
    with opened(path, busy_timeout=0.0) as ledger:
        broadcast = create(ledger)
        with held(path):
            assert ledger.find() == broadcast
            with pytest.raises(HaltedError, match=r"another program holds it.*Close that program"):
                create(ledger)
            with opened(path, busy_timeout=0.0) as other:
                assert other.newest() == [broadcast]
                assert len(list(other.records(broadcast))) == 3
        create(ledger)


def test_a_run_stops_before_it_sends_what_it_could_not_record(path: Path) -> None:
    with opened(path, busy_timeout=0.0) as ledger:
        broadcast = create(ledger, 3)
        run = asyncio.run(ledger.take_over(broadcast, account=ACCOUNT))
        before = everything(ledger)
        with held(path), pytest.raises(HaltedError, match="another program holds it"):
            asyncio.run(run.claim(2, NOW))
        assert everything(ledger) == before
        assert len(asyncio.run(run.claim(3, NOW))) == 3


def test_a_full_disk_says_what_to_do_and_half_of_nothing_is_written(path: Path) -> None:
    with opened(path) as ledger:
        broadcast = create(ledger, 3000)
        run = asyncio.run(ledger.take_over(broadcast, account=ACCOUNT))
        writer = ledger._database._writer
        (pages,) = writer.execute("PRAGMA page_count").fetchone()
        writer.execute(f"PRAGMA max_page_count = {pages}")
        before = everything(ledger)
        results = [Sent(2**40)] * 3000
        with pytest.raises(HaltedError, match=r"the disk is full.*Free some space.*resume"):
            asyncio.run(settle_all(run, results))
        after = everything(ledger)
        assert after["outcome"] == before["outcome"] == []
        with pytest.raises(HaltedError, match="the disk is full"):
            asyncio.run(ledger.create(new_id(), HELLO, audience(3000)))
        assert everything(ledger) == after
        writer.execute(f"PRAGMA max_page_count = {pages * 10}")
        asyncio.run(run.finish())
    with opened(path) as ledger:
        asyncio.run(run_again(ledger))


async def run_again(ledger: Opened) -> None:
    broadcast = ledger.find()
    async with ledger.start(broadcast, account=ACCOUNT) as run:
        while claimed := await run.claim(500, NOW):
            await run.settle([(delivery, Sent(1)) for delivery in claimed], NOW)
    assert ledger.reload(broadcast).counts.sent == 3000


READ_ONLY = """
import asyncio, sys
from pathlib import Path
from broadcast.core.errors import BroadcastError
from broadcast.core.model import Message
from broadcast.ledger.sqlite.ledger import SqliteLedger
try:
    with SqliteLedger(Path(sys.argv[1])) as ledger:
        asyncio.run(ledger.create("b1", Message("I bought a car!"), ()))
except BroadcastError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize("what", ["file", "directory"])
def test_a_ledger_that_may_not_be_written_says_what_to_do(path: Path, what: str) -> None:
    filled(path)
    locked = path if what == "file" else path.parent
    locked.chmod(0o400 if what == "file" else 0o500)
    try:
        ended = subprocess.run(
            [sys.executable, "-c", READ_ONLY, str(path)],
            capture_output=True,
            text=True,
            timeout=50,
            check=True,
            preexec_fn=obey_permissions,
        )
    finally:
        locked.chmod(0o700)
    assert ended.stderr == ""
    assert ended.stdout.startswith(("HaltedError", "SettingsError"))
    assert "cannot be written" in ended.stdout
    assert str(path.parent) in ended.stdout


@pytest.mark.parametrize("text", ["\udcff", "a\ud83d"])
def test_what_is_not_text_is_refused(path: Path, text: str) -> None:
    """A terminal passes any bytes."""
    with opened(path) as ledger:
        with pytest.raises(InputError, match="not UTF-8"):
            ledger.by_once(text)
        for what in ({"message": Message(text)}, {"message": HELLO, "once": text}):
            made = {"identity": new_id(), "audience": audience(1), **what}
            with pytest.raises(InputError, match="nothing was sent"):
                asyncio.run(ledger.create(**made))
        assert not any(everything(ledger).values())


class Broken(sqlite3.OperationalError):
    """What SQLite says when it cannot close a file."""


@pytest.mark.parametrize("ends", [None, LockedError("taken over")])
def test_what_goes_wrong_on_closing_is_explained_unless_something_worse_has(
    path: Path, ends: LockedError | None
) -> None:
    def fail() -> None:
        raise Broken("disk I/O error")

    def use() -> None:
        with SqliteLedger(path) as ledger:
            ledger._database._connections.callback(fail)
            if ends is not None:
                raise ends

    with pytest.raises(HaltedError if ends is None else LockedError) as caught:
        use()
    assert ("disk I/O error" in str(caught.value)) is (ends is None)


def test_a_backup_that_cannot_be_written_says_what_to_do(path: Path) -> None:
    with Database(path, migrations=[FIRST]):
        pass
    path.with_name("ledger.db.v1.bak").symlink_to(path.parent / "missing" / "file")
    with (
        pytest.raises(SettingsError, match="cannot be written"),
        Database(path, migrations=[FIRST, SECOND]),
    ):
        pass
    assert version(path) == 1


async def test_reads_and_writes_do_not_hold_the_loop(path: Path) -> None:
    """Whatever a statement takes, others go on: it runs in a thread of its own."""
    with Database(path, migrations=[FIRST]) as database:
        loop = asyncio.get_running_loop()
        for work in (database.read, database.write):
            may_end = threading.Event()
            loop.call_soon(may_end.set)  # nobody else would: the loop has to go on for it
            assert await work(lambda _, may_end=may_end: may_end.wait(30))


def test_a_stream_reads_little_at_a_time_and_keeps_nothing_open(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many recipients there are, and whoever leaves it before its end."""
    monkeypatch.setattr(store, "CHUNK", 7)

    async def work() -> None:
        with SqliteLedger(path) as ledger:
            broadcast = await ledger.create(new_id(), HELLO, audience(100))
            read: list[int] = []
            rows = ledger._database.rows

            async def counted(name: str, **values: object) -> list[object]:
                found = await rows(name, **values)
                read.append(len(found))
                return found

            ledger._database.rows = counted  # type: ignore[method-assign]
            stream = aiter(ledger.records(broadcast))
            for position in range(10):
                assert (await anext(stream)).delivery.position == position
            assert read == [1, 7, 7]
            await stream.aclose()
            with closing(sqlite3.connect(path)) as other:  # no reader holds the journal
                busy, *_ = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            assert busy == 0

    asyncio.run(work())


@pytest.mark.parametrize("chunk", [1, 2, 3, 20])
def test_a_stream_in_pieces_is_the_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    with opened(path) as ledger:
        create(ledger, 5)
        target = create(ledger, 9)
        send_all(ledger, target, 0, 1, 4, 8)
        made = ledger.create_change(new_id(), Action.EDIT, target, Message("other"))
        edit = asyncio.run(made)
        create(ledger, 5)
        target = ledger.reload(target)
        whole = {each.id: ledger.records(each) for each in (target, edit)}
        failed = ledger.records(target, Status.FAILED)
        monkeypatch.setattr(store, "CHUNK", chunk)
        assert {each.id: ledger.records(each) for each in (target, edit)} == whole
        assert ledger.records(target, Status.FAILED) == failed
        assert [len(records) for records in whole.values()] == [9, 5]


def test_many_threads_of_work_are_one_writer(path: Path) -> None:
    """Commits that are asked for at once come one after the other, and none is lost."""
    with opened(path) as ledger, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: create(ledger, 2), range(12)))
        assert len(ledger.newest()) == 12


# --- without a file


def test_a_ledger_without_a_file_leaves_nothing_and_is_closed_when_nobody_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ledger: Any = in_memory()
    asyncio.run(ledger.create("b1", HELLO, audience(3)))
    connection = ledger._database._writer
    assert [broadcast.id for broadcast in asyncio.run(ledger.newest())] == ["b1"]
    assert not asyncio.run(in_memory().newest())
    del ledger
    assert not list(tmp_path.iterdir())
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


async def test_without_a_file_a_failing_disk_is_that_of_the_temporary_files() -> None:
    with Database(None) as database:

        def work(sql: Statements) -> None:
            sql._connection.execute("PRAGMA max_page_count = 1")
            for number in range(1000):
                sql._connection.execute(f"CREATE TABLE t{number} (a)")

        with pytest.raises(HaltedError, match=re.escape(tempfile.gettempdir())) as told:
            await database.write(work)
    assert told.value.code == "DISK_FULL"
    assert told.value.steps == ()  # nothing of it is kept, so there is nothing to resume
