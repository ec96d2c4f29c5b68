"""What is scheduled, on the command line: `run-due`, `list --scheduled`, `status` and `cancel`.

In this process, with a clock that stands still, and with a run that sends nothing anywhere.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from broadcast import app, cli
from broadcast.cli import history, scheduling, sending
from broadcast.core.errors import HaltedError, InputError, LockedError
from broadcast.core.model import Action, Broadcast, Contact, Halted, Message, Sent, State, When
from broadcast.core.peers import parse_peer
from broadcast.ledger.sqlite.ledger import SqliteLedger
from broadcast.message.when import moment_for
from broadcast.terminal import scheduled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2026, 12, 24, 12, 0, tzinfo=UTC)
SIX = NOW.replace(hour=18)
HELLO = Message("I bought a car!", when=When(SIX.replace(tzinfo=None), "UTC"))
THEIR_SIX = replace(HELLO, when=When(SIX.replace(tzinfo=None), "UTC", of_recipient=True))
ZONES = ("Europe/Madrid", "UTC")
ME = 4711


class Desk:
    """The command line, a ledger and a clock; `sent` is who was sent what, and when."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = NOW
        self.sent: list[tuple[str, int, datetime]] = []
        self.ends: dict[str, int | Exception] = {}  # how the runs of a broadcast end
        self.slept: list[float] = []
        self.runs: list[str] = []
        self._ids = (f"0000{number:06}" for number in itertools.count(1))
        self._patch = monkeypatch
        monkeypatch.setenv("BROADCAST_HOME", str(home))
        monkeypatch.setenv("TZ", "UTC")
        monkeypatch.chdir(home)
        monkeypatch.setattr(scheduling, "run", self._run)
        monkeypatch.setattr(scheduling, "_now", lambda: self.now)
        monkeypatch.setattr(scheduling.time, "sleep", self._sleep)
        desk = self

        class Clock(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:
                return desk.now.astimezone(tz)

        monkeypatch.setattr(scheduled, "datetime", Clock)
        monkeypatch.setattr(app, "open_ledger", lambda *_, **__: self._opened())
        self.ledger = SqliteLedger(home / "ledger.db", clock=self)

    def utc(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.now.timestamp()

    def _opened(self) -> SqliteLedger:
        return SqliteLedger(self.ledger._database.path, clock=self)

    def _sleep(self, seconds: float) -> None:
        assert len(self.slept) < 2000, "it never ends"
        self.slept.append(seconds)
        self.now += timedelta(seconds=max(seconds, 0.001))

    def _run(self, _: Any, ledger: SqliteLedger, given: Any, make: Any, **__: Any) -> int:
        """As running.run does: what is due is sent, and the rest is left."""
        broadcast = asyncio.run(make(None))
        self.runs.append(broadcast.id)
        end = self.ends.get(broadcast.id, 0)
        if isinstance(end, Exception):
            raise end
        asyncio.run(self._send(ledger, broadcast, end))
        return end

    async def _send(self, ledger: SqliteLedger, broadcast: Broadcast, end: int) -> None:
        async with ledger.start(broadcast, account=ME) as work:
            if end == cli.HALTED:
                work.stopped_by(Halted("OFFLINE", "no connection", ends_by_itself=True))
                return
            while claimed := await work.claim(9, self.now):
                await work.settle([(delivery, Sent(1)) for delivery in claimed], self.now)
                self.sent += [(broadcast.id, d.position, self.now) for d in claimed]

    def make(self, message: Message = HELLO, *, bot: bool = True) -> Broadcast:
        people = [
            Contact(parse_peer(f"@friend{number}"), fields={"tz": zone})
            for number, zone in enumerate(ZONES)
        ]
        assert message.when is not None
        due = partial(moment_for, message.when) if bot else None
        return asyncio.run(self.ledger.create(next(self._ids), message, people, due=due))

    def send(self, broadcast: Broadcast) -> None:
        asyncio.run(self._send(self.ledger, broadcast, 0))
        self.sent.clear()

    def state(self, broadcast: Broadcast) -> State:
        return self.ledger.reload(broadcast).state

    def run(self, *arguments: str) -> int:
        return cli.run([*arguments, "--sandbox"])


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    made = Desk(tmp_path, monkeypatch)
    with made.ledger:
        yield made


# --- run-due


def test_when_nothing_is_due_nothing_is_said(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert desk.run("run-due") == 0
    desk.make()
    assert desk.run("run-due") == 0
    assert capsys.readouterr() == ("", "")
    assert desk.sent == []


def test_all_that_is_due_is_sent_one_broadcast_after_another(desk: Desk) -> None:
    first, second, later = desk.make(), desk.make(), desk.make(THEIR_SIX)
    paused = desk.make()
    asyncio.run(desk.ledger.ask(paused, State.PAUSED))
    desk.now = SIX - timedelta(hours=1)
    assert desk.run("run-due") == 0
    assert desk.sent == [(later.id, 0, desk.now)]
    desk.now = SIX
    assert desk.run("run-due") == 0
    assert [(each, position) for each, position, _ in desk.sent[1:]] == [
        (later.id, 1),
        (first.id, 0),
        (first.id, 1),
        (second.id, 0),
        (second.id, 1),
    ]
    assert desk.run("run-due") == 0
    assert len(desk.sent) == 6
    assert desk.state(paused) is State.PAUSED


@pytest.mark.parametrize(
    ("ends", "code"),
    [((0, 1), 1), ((1, 3), 3), ((3, 1), 3), ((2, 3), 2), ((3, 0), 3), ((0, 0), 0)],
)
def test_the_exit_code_is_the_worst_of_all(desk: Desk, ends: tuple[int, int], code: int) -> None:
    desk.ends = {desk.make().id: end for end in ends}
    desk.now = SIX
    assert desk.run("run-due") == code


def test_what_is_wrong_with_one_does_not_hold_the_others_up(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong, offline, taken, right = (desk.make() for _ in range(4))
    desk.ends = {
        wrong.id: InputError("it was started as account 1"),
        offline.id: HaltedError("the server cannot be reached"),
        taken.id: LockedError("another process"),
    }
    desk.now = SIX
    assert desk.run("run-due") == 2
    assert {each for each, _, _ in desk.sent} == {right.id}
    said = capsys.readouterr().err
    assert f"{wrong.id}: it was started as account 1" in said
    assert f"{offline.id}: the server cannot be reached" in said
    assert taken.id not in said


def test_an_interrupt_ends_it_at_once(desk: Desk) -> None:
    first, _ = desk.make(), desk.make()
    desk.ends = {first.id: 130}
    desk.now = SIX
    assert desk.run("run-due", "--wait") == 130
    assert {each for each, _, _ in desk.sent} == {first.id}
    assert desk.slept == []


def test_of_another_account_nothing_is_sent(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several bots may share a ledger, and each has a `run-due` of its own."""
    mine, theirs, elsewhere = desk.make(), desk.make(), desk.make()

    async def start(broadcast: Broadcast, account: int, server: str | None) -> None:
        async with desk.ledger.start(broadcast, account=account, server=server):
            pass

    asyncio.run(start(mine, ME, None))
    asyncio.run(start(theirs, ME + 1, None))
    asyncio.run(start(elsewhere, ME, "127.0.0.1:1"))
    desk.now = SIX
    for name, value in (
        ("TELEGRAM_API_ID", "1"),
        ("TELEGRAM_API_HASH", "0123456789abcdef0123456789abcdef"),
        ("TELEGRAM_BOT_TOKEN", f"{ME}:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
    ):
        monkeypatch.setenv(name, value)
    assert cli.run(["run-due"]) == 0
    assert {each for each, _, _ in desk.sent} == {mine.id}


# --- run-due --wait


def test_a_waiting_process_sends_each_at_its_time_and_then_ends(desk: Desk) -> None:
    broadcast, abroad = desk.make(), desk.make(THEIR_SIX)
    assert desk.run("run-due", "--wait") == 0
    assert sorted((*each[:2], each[2] - SIX) for each in desk.sent) == [
        (broadcast.id, 0, timedelta(0)),
        (broadcast.id, 1, timedelta(0)),
        (abroad.id, 0, timedelta(hours=-1)),
        (abroad.id, 1, timedelta(0)),
    ]
    assert max(desk.slept) <= scheduling.LOOK


def test_without_anything_scheduled_nobody_waits(desk: Desk) -> None:
    desk.send(desk.make(bot=False))  # it lies at Telegram, which needs nobody here
    assert desk.run("run-due", "--wait") == 0
    assert desk.slept == []


def test_what_is_cancelled_meanwhile_ends_the_wait(desk: Desk) -> None:
    broadcast = desk.make()
    sleep = desk._sleep

    def cancelled(seconds: float) -> None:
        sleep(seconds)
        asyncio.run(desk.ledger.ask(broadcast, State.CANCELLED))

    desk._patch.setattr(scheduling.time, "sleep", cancelled)
    assert desk.run("run-due", "--wait") == 0
    assert (len(desk.slept), desk.sent) == (1, [])


def test_an_outage_is_tried_again_a_minute_later_and_what_is_wrong_never(desk: Desk) -> None:
    offline, wrong = desk.make(), desk.make()
    desk.now = SIX
    desk.ends = {offline.id: 3, wrong.id: InputError("it was started as account 1")}
    sleep = desk._sleep

    def mended(seconds: float) -> None:
        sleep(seconds)
        if desk.now >= SIX + timedelta(minutes=5):
            desk.ends.pop(offline.id, None)

    desk._patch.setattr(scheduling.time, "sleep", mended)
    assert desk.run("run-due", "--wait") == 2
    assert {each for each, _, _ in desk.sent} == {offline.id}
    assert SIX + timedelta(minutes=5) <= desk.sent[0][2] <= SIX + timedelta(minutes=6)
    assert (desk.runs.count(offline.id), desk.runs.count(wrong.id)) == (6, 1)


# --- list and status


def shown(desk: Desk, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert desk.run(*arguments) == 0
    told = capsys.readouterr()
    return " ".join((told.out + told.err).split())


def local(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize("command", [("list",), ("status",), ("list", "--scheduled")])
def test_it_is_shown_for_when_it_is_scheduled(
    desk: Desk, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    desk.make()
    assert f"scheduled for {local(SIX)}" in shown(desk, capsys, *command)


@pytest.mark.usefixtures("wide")
def test_each_state_of_a_schedule_has_its_words(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    hour = timedelta(hours=1)
    abroad = desk.make(THEIR_SIX)
    assert f"scheduled for {local(SIX - hour)} to {local(SIX)}" in shown(desk, capsys, "status")
    desk.now = SIX - hour
    assert f"scheduled until {local(SIX)}" in shown(desk, capsys, "status")
    desk.now = SIX
    assert "unfinished" in shown(desk, capsys, "status")
    desk.now = NOW
    asyncio.run(desk.ledger.ask(abroad, State.PAUSED))
    assert "state paused" in shown(desk, capsys, "status")
    there = desk.make(bot=False)
    assert "unfinished" in shown(desk, capsys, "status")
    desk.send(there)
    for command in ("list", "status"):
        assert f"scheduled at Telegram for {local(SIX)}" in shown(desk, capsys, command)
    desk.now = SIX
    assert "state done" in shown(desk, capsys, "status")


@pytest.mark.usefixtures("wide")
def test_the_list_of_what_is_to_come_holds_nothing_else(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "nothing is scheduled" in shown(desk, capsys, "list", "--scheduled")
    there, here, cancelled = desk.make(bot=False), desk.make(THEIR_SIX), desk.make()
    desk.send(there)
    asyncio.run(desk.ledger.ask(cancelled, State.CANCELLED))
    told = shown(desk, capsys, "list", "--scheduled")
    assert told.index(here.id) < told.index(there.id)  # the earliest first
    assert cancelled.id not in told
    assert here.id in shown(desk, capsys, "list", "--scheduled", "--limit", "1")
    assert there.id not in shown(desk, capsys, "list", "--scheduled", "--limit", "1")


def test_what_waits_for_its_time_says_so_instead_of_being_sent(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    """For `resume`, which shows it."""
    broadcast = desk.make()
    scheduled.show_not_yet(broadcast)
    told = capsys.readouterr().err
    assert f"is scheduled for {local(SIX)}: nothing was sent" in " ".join(told.split())
    assert f"broadcast cancel {broadcast.id}" in told


# --- cancel


def test_a_bots_is_just_cancelled(desk: Desk) -> None:
    broadcast = desk.make()
    assert desk.run("cancel", broadcast.id) == 0
    assert desk.state(broadcast) is State.CANCELLED
    desk.now = SIX
    assert desk.run("run-due") == 0
    assert desk.sent == []


@pytest.fixture
def recalls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What `broadcast recall` was asked to do."""
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(sending.recall, "callback", lambda **given: asked.append(given) or 1)
    return asked


def test_what_lies_at_telegram_is_deleted_there_by_a_recall(
    desk: Desk, recalls: list[dict[str, Any]]
) -> None:
    broadcast = desk.make(bot=False)
    desk.send(broadcast)
    assert desk.run("cancel", broadcast.id[:9], "--yes", "--session", "shop") == 1
    (given,) = recalls
    assert (given["id"], given["yes"], given["sandbox"]) == (broadcast.id, True, True)
    assert given["session"] == "shop"
    assert given["rate"] is None  # and everything else as `recall` has it
    assert desk.state(broadcast) is State.DONE


@pytest.mark.parametrize("why", ["nothing there", "gone out", "taken back"])
def test_what_does_not_lie_there_needs_no_recall(
    desk: Desk, recalls: list[dict[str, Any]], why: str
) -> None:
    broadcast = desk.make(bot=False)
    if why != "nothing there":
        desk.send(broadcast)
    if why == "gone out":
        desk.now = SIX
    if why == "taken back":
        body = Message("")
        asyncio.run(desk.ledger.create_change("zzzz000001", Action.RECALL, broadcast, body))
    assert desk.run("cancel", broadcast.id) == 0
    assert recalls == []
    left = State.CANCELLED if why == "nothing there" else State.DONE
    assert desk.state(broadcast) is left


def test_a_running_one_is_stopped_first_and_then_taken_back(
    desk: Desk, recalls: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    broadcast = desk.make(bot=False)
    run = asyncio.run(desk.ledger.take_over(broadcast, account=ME))
    (first, second) = asyncio.run(run.claim(9, NOW))
    asyncio.run(run.settle([(first, Sent(1))], NOW))
    asyncio.run(run.release([second]))
    monkeypatch.setattr(history.time, "sleep", lambda _: asyncio.run(run.finish()))
    assert desk.run("cancel", broadcast.id, "--yes") == 1
    assert desk.state(broadcast) is State.CANCELLED
    assert [given["id"] for given in recalls] == [broadcast.id]
