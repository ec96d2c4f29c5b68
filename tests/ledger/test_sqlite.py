"""The durable ledger by itself: making and finding, leases, epochs, and what a crash leaves."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadcast.core.errors import BroadcastError, InputError, LockedError, NextStep
from broadcast.core.lifecycle import require_changeable, require_resumable
from broadcast.core.model import (
    Action,
    Attachment,
    Button,
    Contact,
    Counts,
    Deferred,
    Delivery,
    Failed,
    Format,
    Forward,
    Halted,
    LinkPreview,
    Media,
    Message,
    Process,
    Sent,
    State,
    Status,
    When,
)
from broadcast.core.peers import parse_peer
from broadcast.core.repeats import require_same_message
from broadcast.ledger.process import LEASE, this_process
from broadcast.ledger.sqlite.ledger import SqliteLedger
from broadcast.ledger.sqlite.rows import milliseconds
from tests.ledger.opened import (
    ACCOUNT,
    BLOCKED,
    ELSEWHERE,
    HELLO,
    NOW,
    Clock,
    Opened,
    audience,
    create,
    dead_owner,
    die,
    everything,
    execute,
    new_id,
    opened,
    path_of,
    positions,
    rows,
    send_all,
    settle_all,
    states,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broadcast.core.model import Broadcast
    from broadcast.ledger.sqlite.run import SqliteRun

ENOUGH = Halted("BUDGET_SPENT", "the budget is spent")
WAIT = Deferred("FLOOD_WAIT", "wait", 31.0, counts=True)
PERHAPS = Deferred("NO_ANSWER", "no answer", 0.0, perhaps_sent=True)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Opened]:
    path = tmp_path / "ledger.db"
    with opened(path, clock=clock, busy_timeout=0.0, sleep=clock.sleep) as made:
        yield made


def take_over(ledger: Opened, broadcast: Broadcast, account: int = ACCOUNT) -> SqliteRun:
    return asyncio.run(ledger.take_over(broadcast, account=account))


def change(ledger: Opened, action: Action, target: Broadcast) -> Broadcast:
    text = HELLO if action is Action.RECALL else Message("I bought a bike!")
    return asyncio.run(ledger.create_change(new_id(), action, target, text))


# --- making and finding


def test_a_new_broadcast_is_open_and_everybody_is_pending(ledger: Opened) -> None:
    broadcast = create(ledger, 3, once="menu")
    assert (broadcast.state, broadcast.action) == (State.OPEN, Action.SEND)
    assert (broadcast.message, broadcast.created_at) == (HELLO, NOW)
    assert (broadcast.once, broadcast.target, broadcast.owner) == ("menu", None, None)
    assert (broadcast.account, broadcast.server, broadcast.halted) == (None, None, None)
    assert broadcast.counts == Counts(pending=3)
    assert states(ledger, broadcast) == ["pending"] * 3


def test_an_id_may_be_abbreviated_and_written_in_capitals(ledger: Opened) -> None:
    for identity in ("aaaa000001", "aaab000001", "zzzzzzzzzz"):
        asyncio.run(ledger.create(identity, HELLO, audience(1)))
    assert ledger.find("aaab").id == "aaab000001"
    assert ledger.find("AAAA").id == "aaaa000001"
    assert ledger.find("zzzzzzzzzz").id == ledger.find("z").id == "zzzzzzzzzz"


@pytest.mark.parametrize("prefix", ["aaa", "", "a"])
def test_an_ambiguous_id_names_two_of_those_that_fit(ledger: Opened, prefix: str) -> None:
    for identity in ("aaaa000001", "aaab000001"):
        asyncio.run(ledger.create(identity, HELLO, audience(1)))
    with pytest.raises(InputError, match=r"several broadcasts.*aaab000001 and aaaa000001"):
        ledger.find(prefix)


@pytest.mark.parametrize("prefix", ["zz", "aaaa0000011", "%", "_", "ä", "\udcff", "{", "a b"])
def test_an_unknown_id_is_told_and_where_ids_are_shown(ledger: Opened, prefix: str) -> None:
    asyncio.run(ledger.create("aaaa000001", HELLO, audience(1)))
    with pytest.raises(InputError, match=r"no broadcast has the id .*broadcast list"):
        ledger.find(prefix)


def test_without_an_id_the_last_one_is_meant_and_for_resume_the_last_unfinished(
    ledger: Opened,
) -> None:
    with pytest.raises(InputError, match="nothing was sent yet"):
        ledger.find()
    first, second, third = (create(ledger, 1) for _ in range(3))
    send_all(ledger, third)
    asyncio.run(ledger.ask(second, State.CANCELLED))
    asyncio.run(ledger.ask(first, State.PAUSED))
    assert ledger.find().id == third.id
    assert ledger.find(unfinished=True).id == first.id
    assert [found.id for found in ledger.unfinished()] == [first.id]
    send_all(ledger, first)
    with pytest.raises(InputError, match="no broadcast is unfinished"):
        ledger.find(unfinished=True)


def test_the_newest_come_first_and_not_more_than_asked_for(ledger: Opened) -> None:
    ids = [create(ledger, 1).id for _ in range(4)]
    assert [found.id for found in ledger.newest()] == ids[::-1]
    assert [found.id for found in ledger.newest(2)] == [ids[3], ids[2]]


def test_a_key_finds_its_broadcast_and_only_that(ledger: Opened) -> None:
    broadcast = create(ledger, once="menu")
    create(ledger)
    assert ledger.by_once("menu") == broadcast
    assert ledger.by_once("Menu") is None


def test_two_processes_with_the_same_key_make_one_broadcast(ledger: Opened) -> None:
    """Both have looked for the key before either made its broadcast."""
    first = create(ledger, 3, once="menu")
    assert create(ledger, 3, once="menu") == first
    assert len(ledger.newest()) == 1
    other = ledger.create(new_id(), Message("Soup"), audience(1), once="menu")
    with pytest.raises(InputError, match=r"(?s)I bought a car!.*Soup"):
        asyncio.run(other)
    assert len(ledger.newest()) == 1


def test_a_ledger_is_there_after_it_was_closed(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        made = create(ledger, 5)
        send_all(ledger, made, 2)
    with opened(tmp_path / "ledger.db") as ledger:
        found = ledger.find(made.id)
        assert (found.counts, found.state) == (Counts(sent=4, failed=1), State.DONE)
        assert states(ledger, found) == ["sent", "sent", "failed", "sent", "sent"]


def test_a_failure_while_it_is_made_leaves_nothing(ledger: Opened) -> None:
    def broken() -> Iterator[Contact]:
        yield from audience(3)
        raise OverflowError

    with pytest.raises(OverflowError):
        asyncio.run(ledger.create(new_id(), HELLO, broken()))
    assert not any(everything(ledger).values())


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PEERS = st.one_of(
    st.integers(1, 2**63 - 1).map(str),
    st.integers(1, 2**63 - 1).map(lambda number: f"-{number}"),
    st.from_regex(r"@[A-Za-z][A-Za-z0-9_]{2,31}", fullmatch=True),
    st.from_regex(r"\+[1-9][0-9]{2} [0-9]{3}-[0-9]{3}", fullmatch=True),
    st.from_regex(r"https://t\.me/\+[A-Za-z]{8,20}", fullmatch=True),
    st.sampled_from(["me", "ME", "t.me/Ana", "tg://resolve?domain=ana", "t.me/c/123/4"]),
)
CONTACTS = st.builds(
    Contact,
    PEERS.map(parse_peer),
    NAMES,
    st.lists(NAMES, max_size=3).map(tuple),
    st.dictionaries(NAMES, NAMES, max_size=3),
    overrides=st.fixed_dictionaries(
        {},
        optional={
            "silent": st.booleans(),
            "buttons": st.just(((Button("Menu", "https://example.com"),),)),
            "text": NAMES,
        },
    ),
)
FILES = st.builds(
    Attachment,
    NAMES,
    st.sampled_from(Media),
    st.text("0123456789abcdef", min_size=64, max_size=64),
    st.integers(0, 2**40),
    st.booleans(),
    st.none() | st.just(Attachment("/small.jpg", Media.PHOTO, "00" * 32, 1)),
)
MESSAGES = st.builds(
    Message,
    NAMES,
    st.sampled_from(Format),
    template=st.booleans(),
    split=st.booleans(),
    files=st.lists(FILES, max_size=3).map(tuple),
    buttons=st.lists(
        st.lists(st.builds(Button, NAMES, NAMES), max_size=2).map(tuple), max_size=2
    ).map(tuple),
    link_preview=st.sampled_from(LinkPreview),
    silent=st.booleans(),
    protect=st.booleans(),
    pin=st.booleans(),
    reply_to=st.none() | st.integers(1, 2**31),
    send_as=st.none() | st.just(parse_peer("@channel")),
    effect=st.none() | st.integers(1, 2**63 - 1),
    forward=st.none() | st.just(Forward(parse_peer("@channel"), 7, with_author=False)),
    when=st.none() | st.builds(When, st.just(NOW.replace(tzinfo=None)), st.just("Europe/Madrid")),
    late=st.none() | st.floats(0, 1e6),
)


def test_a_message_as_usual_costs_nothing_more(ledger: Opened) -> None:
    send_all(ledger, create(ledger))
    kept = everything(ledger)
    assert {row["content"] for row in kept["broadcast"]} == {None}
    assert {row["part"] for row in kept["recipient"]} == {None}
    assert {(row["others"], row["note"]) for row in kept["outcome"]} == {(None, None)}


def test_until_when_a_message_waits_at_telegram_comes_back(ledger: Opened) -> None:
    broadcast = create(ledger, 3)
    waits = Sent(7, others=(8,), scheduled_until=NOW + timedelta(hours=2))

    async def work() -> None:
        async with ledger.start(broadcast, account=ACCOUNT) as run:
            await settle_all(run, [waits, Sent(9), Sent(10, note="at Telegram until it is over")])

    asyncio.run(work())
    outcomes = [record.outcome for record in ledger.records(ledger.reload(broadcast))]
    assert outcomes == [waits, Sent(9), Sent(10, note="at Telegram until it is over")]
    recall = change(ledger, Action.RECALL, broadcast)
    claimed = asyncio.run(take_over(ledger, recall).claim(9, NOW))
    assert [delivery.is_scheduled for delivery in claimed] == [True, False, False]


def test_an_album_and_a_note_come_back_and_a_change_knows_all_its_messages(
    ledger: Opened,
) -> None:
    broadcast = create(ledger, 2)
    album = Sent(7, others=(8, 9), note="it could not be pinned")

    async def work() -> None:
        async with ledger.start(broadcast, account=ACCOUNT) as run:
            await settle_all(run, [album, Sent(10)])

    asyncio.run(work())
    first, second = ledger.records(ledger.reload(broadcast))
    assert (first.outcome, second.outcome) == (album, Sent(10))
    for action in (Action.EDIT, Action.RECALL):
        made = change(ledger, action, broadcast)
        assert [r.delivery.others for r in ledger.records(made)] == [(8, 9), ()]
        claimed = asyncio.run(take_over(ledger, made).claim(9, NOW))
        assert [(d.message_id, d.others) for d in claimed] == [(7, (8, 9)), (10, ())]
        die(ledger)


def test_a_key_is_for_all_of_a_message_and_not_for_its_time(ledger: Opened) -> None:
    quiet = replace(HELLO, silent=True)
    made = asyncio.run(ledger.create(new_id(), quiet, audience(1), once="menu"))
    later = replace(quiet, when=When(NOW.replace(tzinfo=None), "UTC"))
    require_same_message(made, later)
    with pytest.raises(InputError, match=r"(?s)another message.*they differ in: silent, pin"):
        require_same_message(made, replace(HELLO, pin=True))
    with pytest.raises(InputError, match=r"now  \(md\): Soup\nUse another"):
        require_same_message(made, replace(quiet, text="Soup"))


@settings(max_examples=60, deadline=None)
@given(st.lists(CONTACTS, max_size=5), MESSAGES)
def test_message_and_audience_come_back_exactly(contacts: list[Contact], message: Message) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "ledger.db"
        with opened(path) as ledger:
            made = asyncio.run(ledger.create("b1", message, contacts))
        with opened(path) as ledger:
            assert ledger.reload(made) == made
            deliveries = [record.delivery for record in ledger.records(made)]
            claimed = asyncio.run(take_over(ledger, made).claim(10, NOW))
    assert deliveries == [
        Delivery("b1", position, contact, message) for position, contact in enumerate(contacts)
    ]
    assert claimed == deliveries


# --- leases


def test_a_second_start_of_a_live_run_names_the_process(ledger: Opened) -> None:
    broadcast = create(ledger)

    async def start_twice() -> None:
        async with ledger.start(broadcast, account=ACCOUNT):
            assert ledger.reload(broadcast).owner == Process(socket.gethostname(), os.getpid())
            async with ledger.start(broadcast, account=ACCOUNT):
                raise AssertionError("it has started twice")

    with pytest.raises(LockedError, match=f"by process {os.getpid()} on") as caught:
        asyncio.run(start_twice())
    assert caught.value.code == "RUNNING"
    assert caught.value.steps[1] == NextStep("pause", broadcast.id, purpose="stops it")
    assert ledger.reload(broadcast).owner is None


class SlowToTake(SqliteLedger):
    """Has taken over, and does not say so yet."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.has_taken, self.may_go_on = threading.Event(), threading.Event()

    def _take_over(self, *about: Any) -> Any:
        taken = super()._take_over(*about)
        self.has_taken.set()
        assert self.may_go_on.wait(30)
        return taken


async def test_who_gives_up_while_the_lease_is_taken_does_not_keep_it(tmp_path: Path) -> None:
    with SlowToTake(tmp_path / "ledger.db") as ledger:
        broadcast = await ledger.create("abc", HELLO, audience(1))
        async with asyncio.TaskGroup() as group:
            task = group.create_task(ledger.take_over(broadcast, account=ACCOUNT))
            while not ledger.has_taken.is_set():  # noqa: ASYNC110 - set by a thread
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.sleep(0)
            ledger.may_go_on.set()
        assert task.cancelled()
        async with ledger.start(broadcast, account=ACCOUNT):
            pass


def test_a_run_that_has_ended_gives_the_lease_back(ledger: Opened) -> None:
    broadcast = create(ledger)
    for _ in range(3):

        async def start() -> None:
            async with ledger.start(broadcast, account=ACCOUNT) as run:
                run.stopped_by(ENOUGH)

        asyncio.run(start())
        after = ledger.reload(broadcast)
        assert (after.owner, after.halted, after.state) == (None, ENOUGH, State.OPEN)
    take_over(ledger, broadcast)
    assert ledger.reload(broadcast).halted is None


def owner(**told: object) -> str:
    """This very process, but for what is `told`."""
    (kept,) = (json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "started": "1"}),)
    return json.dumps(json.loads(kept) | told)


@pytest.mark.parametrize("dead", [dead_owner(), owner(started="1")], ids=["ended", "pid reused"])
def test_the_lease_of_a_dead_process_is_taken_at_once(ledger: Opened, dead: str) -> None:
    broadcast = create(ledger)
    take_over(ledger, broadcast)
    with pytest.raises(LockedError):
        take_over(ledger, broadcast)
    execute(ledger, "UPDATE broadcast SET owner = ?", [dead])
    assert ledger.reload(broadcast).owner is None
    take_over(ledger, broadcast)


@pytest.mark.skipif(sys.platform != "linux", reason="only /proc tells a zombie")
def test_a_process_that_has_ended_is_dead_before_its_parent_has_looked(
    ledger: Opened,
) -> None:
    broadcast = create(ledger)
    take_over(ledger, broadcast)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        started = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19]
        alive = owner(pid=process.pid, started=started)
        execute(ledger, "UPDATE broadcast SET owner = ?", [alive])
        assert ledger.reload(broadcast).owner is not None
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert ledger.reload(broadcast).owner is None


def on_another_machine(ledger: Opened) -> Broadcast:
    """A broadcast that a process elsewhere began to send."""
    broadcast = create(ledger)
    take_over(ledger, broadcast)
    execute(ledger, "UPDATE broadcast SET owner = ?", [ELSEWHERE])
    return broadcast


@pytest.mark.parametrize("hours", [-5, 0, 5])
def test_the_lease_of_another_machine_is_over_when_it_gives_no_sign_of_life(
    ledger: Opened, clock: Clock, hours: float
) -> None:
    """Whatever the clock on the wall shows here and there."""
    broadcast = on_another_machine(ledger)
    clock.now += timedelta(hours=hours)
    before = clock.elapsed
    take_over(ledger, broadcast)
    assert clock.elapsed == before + LEASE.total_seconds()  # for so long it was watched


@pytest.mark.parametrize("hours", [-5, 0, 5])
def test_who_gives_signs_of_life_on_another_machine_keeps_its_lease(
    tmp_path: Path, clock: Clock, hours: float
) -> None:
    def settle_something() -> None:
        asyncio.run(run.settle([(delivery, WAIT)], NOW))

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        await asyncio.to_thread(settle_something)

    with opened(tmp_path / "ledger.db", clock=clock, sleep=sleep) as ledger:
        broadcast = create(ledger)
        run = take_over(ledger, broadcast)
        (delivery,) = asyncio.run(run.claim(1, NOW))
        execute(ledger, "UPDATE broadcast SET owner = ?", [ELSEWHERE])
        clock.now += timedelta(hours=hours)
        with pytest.raises(LockedError, match=r"process 1 on another\.host"):
            take_over(ledger, broadcast)
        (claimed,) = asyncio.run(run.claim(1, NOW))  # it has lost nothing
        assert claimed.position == 1


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_wall_clock_that_is_set_lets_nobody_in_and_locks_nobody_out(
    ledger: Opened, clock: Clock, hours: float
) -> None:
    broadcast = create(ledger)
    run = take_over(ledger, broadcast)
    clock.now += timedelta(hours=hours)
    clock.elapsed += LEASE.total_seconds() - 0.001
    with pytest.raises(LockedError):
        take_over(ledger, broadcast)
    assert ledger.reload(broadcast).owner is not None
    asyncio.run(run.renew(clock.utc()))
    clock.now -= timedelta(hours=2 * hours)
    clock.elapsed += LEASE.total_seconds() - 0.001
    with pytest.raises(LockedError):
        take_over(ledger, broadcast)
    clock.elapsed += 0.001  # it is frozen: whoever wakes it finds its lease gone
    assert ledger.reload(broadcast).owner is None
    take_over(ledger, broadcast)
    with pytest.raises(LockedError, match="taken over"):
        asyncio.run(run.renew(clock.utc()))


@pytest.mark.parametrize("elapsed", [0.0, 10.0, 5000.0])
def test_a_lease_of_before_the_machine_was_restarted_is_over(
    ledger: Opened, clock: Clock, elapsed: float
) -> None:
    """The clock that only goes forwards has begun at 0 again."""
    broadcast = create(ledger)
    take_over(ledger, broadcast)
    clock.elapsed = elapsed
    if sys.platform == "linux":
        before = json.dumps(json.loads(this_process()) | {"boot": "another"})
        execute(ledger, "UPDATE broadcast SET owner = ?", [before])
    assert ledger.reload(broadcast).owner is None
    take_over(ledger, broadcast)


def test_a_lease_that_ends_later_than_any_can_is_of_another_start_of_the_machine(
    ledger: Opened, clock: Clock
) -> None:
    """Where nothing names the starts of the machine."""
    broadcast = create(ledger)
    take_over(ledger, broadcast)
    clock.elapsed -= 500.0
    assert ledger.reload(broadcast).owner is None


def test_each_commit_prolongs_the_lease(ledger: Opened, clock: Clock) -> None:
    broadcast = create(ledger, 5)
    run = take_over(ledger, broadcast)
    claimed = []
    for work in (
        lambda: claimed.extend(asyncio.run(run.claim(2, clock.utc()))),
        lambda: asyncio.run(run.settle([(claimed[0], Sent(1))], clock.utc())),
        lambda: asyncio.run(run.release([claimed[1]])),
        lambda: asyncio.run(run.claim(2, clock.utc())),
    ):
        clock.advance(LEASE.total_seconds() - 1)
        work()
    with pytest.raises(LockedError):
        take_over(ledger, broadcast)


# --- one account, one process


def test_an_account_is_used_by_one_run_at_a_time(ledger: Opened) -> None:
    """Whatever session each has: two together would be too fast for the account."""
    first, second = create(ledger), create(ledger)
    run = take_over(ledger, first)
    before = everything(ledger)
    with pytest.raises(LockedError, match=f"process {os.getpid()} on .* sends") as caught:
        take_over(ledger, second)
    assert (caught.value.code, first.id in str(caught.value)) == ("ACCOUNT_IN_USE", True)
    assert everything(ledger) == before
    take_over(ledger, second, account=ACCOUNT + 1)
    asyncio.run(run.finish())
    take_over(ledger, create(ledger))


def test_an_account_is_another_one_at_another_server(ledger: Opened) -> None:
    for server in (None, "sandbox", "127.0.0.1:1"):
        asyncio.run(ledger.take_over(create(ledger), account=ACCOUNT, server=server))


def test_a_process_that_has_died_holds_no_account(ledger: Opened, clock: Clock) -> None:
    take_over(ledger, create(ledger))
    die(ledger)
    take_over(ledger, create(ledger))
    clock.advance(LEASE.total_seconds())  # and no process that was frozen
    take_over(ledger, create(ledger))


def test_whoever_holds_the_account_elsewhere_is_watched_too(ledger: Opened, clock: Clock) -> None:
    on_another_machine(ledger)
    before = clock.elapsed
    take_over(ledger, create(ledger))
    assert clock.elapsed == before + LEASE.total_seconds()


def test_a_run_that_does_nothing_keeps_its_lease_by_its_heartbeat(
    ledger: Opened, clock: Clock
) -> None:
    broadcast = create(ledger)

    async def beat_once(run: SqliteRun) -> None:
        execute(ledger, "UPDATE broadcast SET wanted = 'paused', lease_until = 0, alive_until = 0")
        beaten = asyncio.Event()
        looks = iter(range(3))
        async with asyncio.TaskGroup() as group:
            heart = group.create_task(
                run.beat(
                    lambda: None if next(looks) < 2 else beaten.set(), every=0.0, renew_after=0.0
                )
            )
            await beaten.wait()
            heart.cancel()

    asyncio.run(beat_once(take_over(ledger, broadcast)))
    (row,) = rows(ledger, "SELECT lease_until, alive_until FROM broadcast")
    assert row["lease_until"] == milliseconds(NOW + LEASE)
    assert row["alive_until"] == 1000 * (clock.monotonic() + LEASE.total_seconds())


def test_it_goes_on_as_the_account_and_at_the_server_that_began(ledger: Opened) -> None:
    broadcast = create(ledger)

    def begin(account: int, server: str | None) -> None:
        asyncio.run(ledger.take_over(broadcast, account=account, server=server))
        die(ledger)

    begin(ACCOUNT, "sandbox")
    for account, server in ((ACCOUNT + 1, "sandbox"), (ACCOUNT, None), (ACCOUNT, "other")):
        before = everything(ledger)
        with pytest.raises(InputError, match=f"as account {ACCOUNT} at sandbox: sign in there"):
            begin(account, server)
        assert everything(ledger) == before
    begin(ACCOUNT, "sandbox")


# --- epochs: who has lost the lease writes nothing


def test_nothing_that_a_run_writes_counts_once_another_has_taken_over(
    ledger: Opened, clock: Clock
) -> None:
    broadcast = create(ledger, 10)
    old = take_over(ledger, broadcast)
    claimed = asyncio.run(old.claim(4, NOW))
    clock.advance(LEASE.total_seconds())
    new = take_over(ledger, broadcast)
    asyncio.run(new.claim(1, clock.utc()))
    before = everything(ledger)
    for write in (
        lambda: old.claim(2, NOW),
        lambda: old.settle([(claimed[0], Sent(1)), (claimed[1], WAIT)], NOW),
        lambda: old.settle([(claimed[0], BLOCKED)], NOW),
        lambda: old.settle([(claimed[2], Halted("PEER_FLOOD", "limited"))], NOW),
        lambda: old.release(claimed[2:]),
        lambda: old.beat(lambda: None, every=0.0),
    ):
        with pytest.raises(LockedError, match=f"taken over by process {os.getpid()} on"):
            asyncio.run(write())
        assert everything(ledger) == before
    asyncio.run(old.finish())
    assert everything(ledger) == before
    assert ledger.reload(broadcast).owner is not None


def test_a_start_that_has_lost_its_lease_ends_by_itself(ledger: Opened, clock: Clock) -> None:
    broadcast = create(ledger)

    async def sleep_too_long() -> None:
        async with ledger.start(broadcast, account=ACCOUNT):
            clock.advance(LEASE.total_seconds())
            await ledger.take_over(broadcast, account=ACCOUNT)
            await asyncio.Event().wait()

    with pytest.raises(LockedError, match="taken over"):
        asyncio.run(sleep_too_long())


# --- what a crash leaves


def test_a_crash_leaves_in_doubt_exactly_what_was_claimed_and_not_settled(
    ledger: Opened, clock: Clock
) -> None:
    broadcast = create(ledger, 12)
    run = take_over(ledger, broadcast)
    claimed = asyncio.run(run.claim(6, NOW))
    results = [(claimed[0], Sent(1)), (claimed[2], BLOCKED), (claimed[4], WAIT)]
    asyncio.run(run.settle(results, NOW))
    asyncio.run(run.release([claimed[5]]))
    asyncio.run(run.claim(3, NOW))  # 5 again, and 6 and 7
    die(ledger)
    after = ledger.reload(broadcast)
    assert after.counts == Counts(sent=1, failed=1, pending=10, in_doubt=5)
    found = [record for record in ledger.records(after) if record.status is Status.SENDING]
    assert positions(record.delivery for record in found) == [1, 3, 5, 6, 7]
    reason = "perhaps sent: the run ended before Telegram answered; resuming finds out"
    assert {record.outcome for record in found} == {Deferred("IN_DOUBT", reason)}

    again = take_over(ledger, broadcast)
    first = asyncio.run(again.claim(4, NOW))
    assert positions(first) == [1, 3, 5, 6]
    assert [delivery.attempts for delivery in first] == [1] * 4
    assert positions(asyncio.run(again.claim(3, NOW))) == [7, 8, 9]
    clock.advance(31)
    assert positions(asyncio.run(again.claim(9, clock.utc()))) == [4, 10, 11]
    assert asyncio.run(again.claim(9, clock.utc())) == []


def test_what_was_deferred_waits_on_after_a_crash(ledger: Opened) -> None:
    broadcast = create(ledger, 1)
    run = take_over(ledger, broadcast)
    for _ in range(2):
        (delivery,) = asyncio.run(run.claim(1, NOW + LEASE * 10))
        asyncio.run(run.settle([(delivery, WAIT)], NOW))
    die(ledger)
    again = take_over(ledger, broadcast)
    assert asyncio.run(again.claim(1, NOW)) == []
    due = asyncio.run(again.next_due())
    assert due is not None
    assert (due - NOW).total_seconds() == 31
    (delivery,) = asyncio.run(again.claim(1, due))
    assert delivery.attempts == 2


def sleeper(ledger: Opened, count: int) -> tuple[Broadcast, SqliteRun]:
    """A process that was frozen for longer than its lease, with two deliveries under way."""
    broadcast = create(ledger, count)
    run = take_over(ledger, broadcast)
    asyncio.run(run.claim(2, NOW))
    die(ledger)
    return broadcast, run


@pytest.mark.parametrize("how", ["cancel", "recall", "what was found"])
def test_a_process_that_wakes_up_after_a_decision_cannot_go_on(ledger: Opened, how: str) -> None:
    broadcast, run = sleeper(ledger, 10)
    match how:
        case "cancel":
            asyncio.run(ledger.ask(broadcast, State.CANCELLED))
        case "recall":
            text = Message("", Format.PLAIN)
            asyncio.run(ledger.create_change(new_id(), Action.RECALL, broadcast, text))
        case _:
            asyncio.run(ledger.learn_sent(broadcast, {}))
    with pytest.raises(LockedError, match="was taken over by another process"):
        asyncio.run(run.claim(5, NOW))
    with pytest.raises(LockedError):
        asyncio.run(run.renew(NOW))


def test_a_run_knows_when_its_lease_has_passed(ledger: Opened, clock: Clock) -> None:
    run = take_over(ledger, create(ledger, 3))
    asyncio.run(run.claim(1, NOW))
    half = LEASE.total_seconds() / 2
    clock.advance(half)
    assert not run.has_lapsed(clock.utc())
    clock.now -= LEASE * 100  # somebody sets the wall clock back, while the process is frozen
    clock.elapsed += half
    assert run.has_lapsed(clock.utc())
    asyncio.run(run.renew(clock.utc()))
    clock.now += LEASE * 200
    clock.elapsed += half
    assert not run.has_lapsed(clock.utc())


@pytest.mark.parametrize("then", ["nothing", "release", "halt", "wait"])
def test_what_was_perhaps_sent_is_never_called_skipped(ledger: Opened, then: str) -> None:
    broadcast = create(ledger, 3)
    run = take_over(ledger, broadcast)
    claimed = asyncio.run(run.claim(3, NOW))
    asyncio.run(run.settle([(delivery, PERHAPS) for delivery in claimed], NOW))
    if then != "nothing":
        claimed = asyncio.run(run.claim(3, NOW))
        match then:
            case "release":
                asyncio.run(run.release(claimed))
            case "halt":
                halt = Halted("PEER_FLOOD", "limited")
                asyncio.run(run.settle([(delivery, halt) for delivery in claimed], NOW))
            case _:
                asyncio.run(run.settle([(delivery, WAIT) for delivery in claimed], NOW))
    asyncio.run(run.finish())
    asyncio.run(ledger.ask(broadcast, State.CANCELLED))
    now = ledger.reload(broadcast)
    assert (now.counts.skipped, now.counts.pending) == (0, 3)
    assert len(ledger.in_doubt(now)) == 3


def test_crash_after_crash_loses_nobody(ledger: Opened) -> None:
    broadcast = create(ledger, 7)
    for _ in range(5):
        asyncio.run(take_over(ledger, broadcast).claim(3, NOW))
        die(ledger)
    assert positions(asyncio.run(take_over(ledger, broadcast).claim(99, NOW))) == list(range(7))


@pytest.mark.parametrize("action", [Action.EDIT, Action.RECALL])
def test_a_change_is_of_those_that_were_sent_and_a_crash_of_it_loses_none(
    ledger: Opened, action: Action
) -> None:
    """Gaps at the start, in the middle, over a whole slice and at the end of the target."""
    create(ledger, 3)
    target = create(ledger, 20)
    gaps = [0, 3, 4, 8, 9, 10, 11, 19]
    has_it = [position for position in range(20) if position not in gaps]
    send_all(ledger, target, *gaps)
    made = change(ledger, action, target)
    assert made.counts == Counts(pending=12)
    assert positions(r.delivery for r in ledger.records(made)) == has_it
    assert positions(r.delivery for r in ledger.records(made, Status.PENDING)) == has_it

    run = take_over(ledger, made)
    claimed = asyncio.run(run.claim(4, NOW))
    assert positions(claimed) == has_it[:4]
    assert [d.message_id for d in claimed] == [100 + position for position in has_it[:4]]
    assert {(d.action, d.message.text, d.broadcast) for d in claimed} == {
        (action, made.message.text, made.id)
    }
    asyncio.run(run.settle([(claimed[1], Sent(101)), (claimed[3], WAIT)], NOW))
    asyncio.run(run.claim(3, NOW))
    die(ledger)
    in_doubt = [has_it[0], has_it[2], *has_it[4:7]]
    kept = ledger.records(ledger.reload(made))
    found = [record.delivery for record in kept if record.status is Status.SENDING]
    assert positions(found) == in_doubt

    again = take_over(ledger, made)
    claimed = list(asyncio.run(again.claim(6, NOW)))
    assert positions(claimed) == [*in_doubt, has_it[7]]
    claimed += asyncio.run(again.claim(99, NOW + LEASE * 10))
    assert sorted(positions(claimed)) == sorted({*has_it} - {has_it[1]})
    asyncio.run(again.settle([(d, Sent(d.message_id)) for d in claimed], NOW))
    assert asyncio.run(again.claim(99, NOW + LEASE * 10)) == []
    asyncio.run(again.finish())
    after = ledger.reload(made)
    assert (after.state, after.counts) == (State.DONE, Counts(sent=12))
    assert ledger.reload(target).counts == Counts(sent=12, failed=8)


def test_after_a_slice_is_settled_no_trace_of_the_intent_is_left(ledger: Opened) -> None:
    broadcast = create(ledger, 9)
    run = take_over(ledger, broadcast)
    asyncio.run(settle_all(run, [Sent(1), WAIT, BLOCKED]))
    asyncio.run(run.release(asyncio.run(run.claim(2, NOW))))
    asyncio.run(settle_all(run, [Sent(2)] * 6))
    asyncio.run(settle_all(run, [Sent(3)], NOW + LEASE * 10))
    kept = everything(ledger)
    assert (kept["slice"], kept["waiting"], len(kept["outcome"])) == ([], [], 9)


def test_a_final_outcome_is_written_once(ledger: Opened) -> None:
    broadcast = create(ledger, 1)
    run = take_over(ledger, broadcast)
    (delivery,) = asyncio.run(run.claim(1, NOW))
    asyncio.run(run.settle([(delivery, Sent(1))], NOW))
    before = everything(ledger)
    for outcome in (Sent(2), BLOCKED):
        with pytest.raises(BroadcastError):
            asyncio.run(run.settle([(delivery, outcome)], NOW))
    assert everything(ledger) == before


# --- retry


def test_only_failures_that_can_turn_out_otherwise_are_retried(ledger: Opened) -> None:
    broadcast = create(ledger, 4)
    private = Failed("USER_PRIVACY_RESTRICTED", "private")

    async def work() -> None:
        async with ledger.start(broadcast, account=ACCOUNT) as run:
            await settle_all(run, [Sent(1), BLOCKED, private, private])

    asyncio.run(work())
    assert asyncio.run(ledger.requeue_failed(broadcast, insist=False)) == 2
    after = ledger.reload(broadcast)
    assert (after.state, after.counts) == (State.OPEN, Counts(sent=1, failed=1, pending=2))
    assert states(ledger, broadcast) == ["sent", "failed", "pending", "pending"]
    send_all(ledger, after)
    assert asyncio.run(ledger.requeue_failed(broadcast, insist=False)) == 0
    assert asyncio.run(ledger.requeue_failed(broadcast, insist=True)) == 1
    run = take_over(ledger, broadcast)
    assert positions(asyncio.run(run.claim(9, NOW))) == [1]


def test_a_retry_waits_for_the_end_of_the_first_run(ledger: Opened) -> None:
    broadcast = create(ledger, 2)
    run = take_over(ledger, broadcast)
    asyncio.run(settle_all(run, [BLOCKED]))
    with pytest.raises(LockedError, match=f"process {os.getpid()}"):
        asyncio.run(ledger.requeue_failed(broadcast, insist=True))
    asyncio.run(run.finish())
    with pytest.raises(InputError, match=r"unfinished, 1 is pending.*`broadcast resume"):
        asyncio.run(ledger.requeue_failed(broadcast, insist=True))
    assert ledger.reload(broadcast).counts == Counts(failed=1, pending=1)


# --- pause and cancel


def test_a_broadcast_that_nobody_runs_is_paused_and_cancelled_at_once(
    ledger: Opened,
) -> None:
    broadcast = create(ledger, 3)
    assert asyncio.run(ledger.ask(broadcast, State.PAUSED)) is False
    assert ledger.reload(broadcast).state is State.PAUSED
    assert asyncio.run(ledger.ask(broadcast, State.CANCELLED)) is False
    after = ledger.reload(broadcast)
    assert (after.state, after.counts) == (State.CANCELLED, Counts(skipped=3))
    assert states(ledger, broadcast) == ["skipped"] * 3
    with pytest.raises(InputError, match="was cancelled"):
        asyncio.run(ledger.ask(broadcast, State.PAUSED))
    with pytest.raises(InputError, match="was cancelled"):
        take_over(ledger, broadcast)
    assert ledger.reload(broadcast).state is State.CANCELLED


def test_a_broadcast_that_is_done_stays_done(ledger: Opened) -> None:
    broadcast = create(ledger, 1)
    send_all(ledger, broadcast)
    for state in (State.PAUSED, State.CANCELLED):
        assert asyncio.run(ledger.ask(broadcast, state)) is False
        assert ledger.reload(broadcast).state is State.DONE


@pytest.mark.parametrize("state", [State.PAUSED, State.CANCELLED])
def test_a_run_leaves_the_state_that_was_asked_for(ledger: Opened, state: State) -> None:
    broadcast = create(ledger, 3)
    asked = []

    async def work() -> None:
        stopped = asyncio.Event()
        async with ledger.start(broadcast, account=ACCOUNT, on_stop=stopped.set) as run:
            await settle_all(run, [Sent(1)])
            asked.append(await ledger.ask(broadcast, state))
            assert ledger.reload(broadcast).state is State.OPEN
            await stopped.wait()

    asyncio.run(work())
    assert asked == [True]
    assert ledger.reload(broadcast).state is state


def test_a_cancel_is_not_softened_to_a_pause(ledger: Opened) -> None:
    broadcast = create(ledger, 3)
    run = take_over(ledger, broadcast)
    for state in (State.CANCELLED, State.PAUSED):
        assert asyncio.run(ledger.ask(broadcast, state)) is True
    asyncio.run(run.finish())
    assert ledger.reload(broadcast).state is State.CANCELLED


def test_a_cancel_holds_when_the_process_dies_before_it_has_obeyed(ledger: Opened) -> None:
    broadcast = create(ledger, 3)
    take_over(ledger, broadcast)
    asyncio.run(ledger.ask(broadcast, State.CANCELLED))
    die(ledger)
    assert ledger.reload(broadcast).state is State.CANCELLED
    assert ledger.unfinished() == []
    with pytest.raises(InputError, match="was cancelled"):
        take_over(ledger, broadcast)


@pytest.mark.parametrize("how", ["asked before it died", "cancelled afterwards", "again"])
def test_what_is_in_doubt_is_never_called_skipped(ledger: Opened, how: str) -> None:
    broadcast = create(ledger, 8)
    run = take_over(ledger, broadcast)
    claimed = asyncio.run(run.claim(5, NOW))
    asyncio.run(run.settle([(claimed[0], Sent(1)), (claimed[3], WAIT)], NOW))
    asyncio.run(run.release([claimed[1]]))
    if how == "asked before it died":
        asyncio.run(ledger.ask(broadcast, State.CANCELLED))
        die(ledger)
    else:
        die(ledger)
        if how == "again":  # another took over and gave it back before it sent anything
            asyncio.run(take_over(ledger, broadcast).finish())
        asyncio.run(ledger.ask(broadcast, State.CANCELLED))
    after = ledger.reload(broadcast)
    assert after.counts == Counts(sent=1, skipped=5, pending=2, in_doubt=2)
    found = list(ledger.records(after))
    perhaps = [r for r in found if r.status in (Status.SENDING, Status.PENDING)]
    assert positions(record.delivery for record in perhaps) == [2, 4]
    assert all("perhaps sent" in record.outcome.reason for record in perhaps)
    assert [r.status for r in found].count(Status.SKIPPED) == 5
    for status in Status:
        assert list(ledger.records(after, status)) == [r for r in found if r.status is status]


def test_what_was_in_doubt_and_has_arrived_is_sent(ledger: Opened) -> None:
    broadcast = create(ledger, 4)
    run = take_over(ledger, broadcast)
    asyncio.run(settle_all(run, [Sent(1)]))
    asyncio.run(run.release(asyncio.run(run.claim(1, NOW))))
    asyncio.run(run.claim(3, NOW))
    assert ledger.in_doubt(ledger.reload(broadcast)) == []  # it is under way
    with pytest.raises(LockedError):
        asyncio.run(ledger.learn_sent(broadcast, {2: [7]}))
    die(ledger)
    assert positions(ledger.in_doubt(ledger.reload(broadcast))) == [1, 2, 3]
    asyncio.run(ledger.learn_sent(broadcast, {3: [8], 1: [7]}))
    after = ledger.reload(broadcast)
    assert (after.state, after.counts) == (State.OPEN, Counts(sent=3, pending=1, in_doubt=1))
    assert positions(ledger.in_doubt(after)) == [2]
    outcomes = [record.outcome for record in ledger.records(after)]
    assert [o.message_id for o in outcomes if isinstance(o, Sent)] == [1, 7, 8]
    asyncio.run(ledger.learn_sent(broadcast, {2: [9]}))
    assert ledger.reload(broadcast).state is State.DONE
    assert asyncio.run(take_over(ledger, broadcast).claim(9, NOW)) == []


def test_a_recall_waits_for_no_outcome_of_a_dead_process(ledger: Opened) -> None:
    broadcast = create(ledger, 3)
    asyncio.run(take_over(ledger, broadcast).claim(2, NOW))
    die(ledger)
    recall = change(ledger, Action.RECALL, broadcast)
    assert recall.counts == Counts()
    assert ledger.reload(broadcast).counts == Counts(skipped=1, pending=2, in_doubt=2)


# --- edit and recall


def test_a_recall_cancels_what_is_pending_and_is_the_last_word(ledger: Opened) -> None:
    target = create(ledger, 4)

    async def begin() -> None:
        async with ledger.start(target, account=ACCOUNT) as run:
            await settle_all(run, [Sent(1), Sent(2)])

    asyncio.run(begin())
    recall = change(ledger, Action.RECALL, target)
    assert recall.counts == Counts(pending=2)
    assert ledger.reload(target).counts == Counts(sent=2, skipped=2)
    assert ledger.standing(target).recall == recall
    for refused in (
        lambda: take_over(ledger, target),
        lambda: require_resumable(ledger.standing(target)),
        lambda: asyncio.run(ledger.requeue_failed(target, insist=True)),
    ):
        with pytest.raises(InputError, match=f"recalled by {recall.id}: it is never sent again"):
            refused()
    for action in (Action.EDIT, Action.RECALL):
        with pytest.raises(InputError, match=f"recalled by {recall.id} already"):
            change(ledger, action, target)


def test_who_was_done_stays_done_after_a_recall(ledger: Opened) -> None:
    target = create(ledger, 2)
    send_all(ledger, target, 0)
    change(ledger, Action.RECALL, target)
    assert ledger.reload(target).state is State.DONE
    with pytest.raises(InputError, match="recalled by"):
        asyncio.run(ledger.requeue_failed(target, insist=True))


def test_what_cannot_be_changed_is_refused_before_anything_is_made(ledger: Opened) -> None:
    nobody, running, unfinished, done = (create(ledger, 2) for _ in range(4))
    send_all(ledger, nobody, 0, 1)
    send_all(ledger, done)
    take_over(ledger, running, account=1)

    async def begin() -> None:
        async with ledger.start(unfinished, account=ACCOUNT) as run:
            await settle_all(run, [Sent(1)])

    asyncio.run(begin())
    edit = change(ledger, Action.EDIT, done)
    for action, target, error, why in (
        (Action.EDIT, nobody, InputError, "nobody has received"),
        (Action.RECALL, nobody, InputError, "nobody has received"),
        (Action.EDIT, running, LockedError, f"by process {os.getpid()}"),
        (Action.RECALL, running, LockedError, f"by process {os.getpid()}"),
        (Action.EDIT, unfinished, InputError, "unfinished, 1 is pending"),
        (Action.EDIT, edit, InputError, "itself the edit of another one: name that, "),
        (Action.RECALL, edit, InputError, "itself the edit of another"),
    ):
        before = everything(ledger)
        with pytest.raises(error, match=why):
            change(ledger, action, target)
        with pytest.raises(error, match=why):
            require_changeable(ledger.standing(target), action, NOW)
        assert everything(ledger) == before
    take_over(ledger, edit)
    with pytest.raises(LockedError):
        change(ledger, Action.RECALL, done)


def test_a_newer_edit_overtakes_one_that_is_unfinished(ledger: Opened) -> None:
    """Otherwise a resume of the older one would bring the older text back."""
    target = create(ledger, 3)
    send_all(ledger, target)
    older = change(ledger, Action.EDIT, target)
    newer = change(ledger, Action.EDIT, target)
    assert ledger.reload(older).state is State.CANCELLED
    with pytest.raises(InputError, match=f"overtaken by the edit {newer.id}"):
        take_over(ledger, older)
    send_all(ledger, newer)
    with pytest.raises(InputError, match="overtaken"):
        asyncio.run(ledger.requeue_failed(older, insist=True))


def test_after_an_edit_no_retry_sends_the_older_text(ledger: Opened) -> None:
    """It would also add recipients to an edit that is unfinished."""
    target = create(ledger, 3)
    send_all(ledger, target, 1)
    edit = change(ledger, Action.EDIT, target)
    with pytest.raises(InputError, match=f"was edited by {edit.id}, and a retry would send"):
        asyncio.run(ledger.requeue_failed(target, insist=True))
    assert ledger.reload(target).counts == Counts(sent=2, failed=1)


# --- the file


def test_nobody_else_may_read_the_files(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with opened(tmp_path / "home" / "ledger.db") as ledger:
            send_all(ledger, create(ledger))
            files = list((tmp_path / "home").iterdir())
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in files}
            assert set(modes) == {"ledger.db", "ledger.db-wal", "ledger.db-shm"}
            assert set(modes.values()) == {0o600}
            assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    ("first", "outcome"),
    [(100_000_000, Sent(2**20)), (8_000_000_000, Sent(2**31 - 1)), (10**15, BLOCKED)],
    ids=["ids", "newer ids", "failures"],
)
def test_a_bare_id_and_its_outcome_cost_less_than_60_bytes(
    tmp_path: Path, first: int, outcome: Sent | Failed
) -> None:
    size = 20_000
    contacts = (Contact(parse_peer(str(first + 7 * number))) for number in range(size))
    with opened(tmp_path / "ledger.db") as ledger:
        path = path_of(ledger)
    empty = path.stat().st_size  # closed, so that the tables themselves are in it
    with opened(tmp_path / "ledger.db") as ledger:
        broadcast = asyncio.run(ledger.create(new_id(), HELLO, contacts))

        async def work() -> None:
            async with ledger.start(broadcast, account=ACCOUNT) as run:
                while claimed := await run.claim(250, NOW):
                    later = replace(outcome) if isinstance(outcome, Failed) else outcome
                    await run.settle([(d, later) for d in claimed[::-1]], NOW + LEASE * 240)

        asyncio.run(work())
        assert ledger.reload(broadcast).counts.pending == 0
    files = {file.name: file.stat().st_size for file in tmp_path.iterdir()}
    assert set(files) == {"ledger.db"}  # closed: all is in the file itself
    assert (files["ledger.db"] - empty) / size < 60
