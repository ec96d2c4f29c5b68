"""Looking back, and asking what runs to stop."""

from __future__ import annotations

import asyncio

import pytest

from broadcast.core.errors import InputError
from broadcast.core.model import Action, Failed, Halted, Message, Sent, State, Status
from broadcast.service.history import ASK_PATIENCE
from tests.service.fakes import ME, RecordingReporter
from tests.service.harness import HELLO, SIX, Harness, at, on_virtual_time

BLOCKED = Failed("USER_IS_BLOCKED", "this person has blocked you")
OFFLINE = Halted("OFFLINE", "no connection", ends_by_itself=True)


# --- looking back


@on_virtual_time
async def test_what_was_sent_is_listed_newest_first(bot: Harness) -> None:
    names = [(await bot.send(Message(text))).broadcast for text in "abc"]
    assert [each.id for each in await bot.service.list()] == names[::-1]
    assert [each.id for each in await bot.service.list(2)] == names[:0:-1]


@on_virtual_time
async def test_what_is_to_come_is_listed_earliest_first(bot: Harness) -> None:
    six = await bot.schedule()
    four = await bot.schedule(Message("tea", when=at(SIX.replace(hour=16))))
    gone = await bot.schedule(Message("soup", when=at(SIX.replace(hour=13))))
    await bot.service.cancel(gone.id, bot.reporter)
    await bot.send(Message("now"))
    assert [each.id for each in await bot.service.scheduled()] == [four.id, six.id]
    assert [each.id for each in await bot.service.scheduled(1)] == [four.id]


@on_virtual_time
async def test_what_waits_at_telegram_is_listed_with_the_rest(person: Harness) -> None:
    there = await person.send(Message("later", when=at(SIX)))
    assert [each.id for each in await person.service.scheduled()] == [there.broadcast]
    await person.recall(there.broadcast)
    assert list(await person.service.scheduled()) == []


@on_virtual_time
async def test_one_is_found_by_the_start_of_its_id_or_as_the_last(bot: Harness) -> None:
    with pytest.raises(InputError, match="nothing was sent yet"):
        await bot.service.find()
    first, last = await bot.send(Message("a")), await bot.send(Message("b"))
    assert (await bot.service.find(first.broadcast)).id == first.broadcast
    assert (await bot.service.find()).id == last.broadcast
    with pytest.raises(InputError, match="no broadcast has the id zzz"):
        await bot.service.find("zzz")
    with pytest.raises(InputError, match="several broadcasts start with"):
        await bot.service.find(first.broadcast[:3])


@on_virtual_time
async def test_the_current_one_is_the_one_that_runs(bot: Harness) -> None:
    older = await bot.schedule(HELLO)
    last = await bot.send(Message("b"))
    assert (await bot.service.current()).id == last.broadcast
    async with bot.ledger.start(older, account=ME):
        assert (await bot.service.current()).id == older.id
        assert (await bot.service.current(last.broadcast)).id == last.broadcast


@on_virtual_time
async def test_each_recipient_is_shown_or_those_that_are_wanted(bot: Harness) -> None:
    bot.become(script={"@friend1": BLOCKED, "@friend3": OFFLINE})
    report = await bot.send(to=4, concurrency=1)
    broadcast = await bot.service.find(report.broadcast)

    async def shown(*wanted: Status) -> list[str]:
        records = bot.service.records(broadcast, *wanted)
        return [record.delivery.contact.peer.text async for record in records]

    assert await shown() == [f"@friend{number}" for number in range(4)]
    assert await shown(Status.SENT) == ["@friend0", "@friend2"]
    assert await shown(Status.FAILED) == ["@friend1"]
    assert await shown(Status.PENDING, Status.SENDING) == ["@friend3"]


@on_virtual_time
async def test_watching_ends_with_the_run(bot: Harness) -> None:
    broadcast = await bot.schedule(HELLO)
    seen: list[int] = []

    async def watch() -> None:
        found = await bot.service.current()
        seen.extend([each.counts.sent async for each in bot.service.watch(found)])

    async with asyncio.TaskGroup() as group, bot.ledger.start(broadcast, account=ME) as run:
        group.create_task(watch())
        await asyncio.sleep(1.2)
        claimed = await run.claim(9, bot.clock.utc())
        await run.settle([(each, Sent(1)) for each in claimed], bot.clock.utc())
        await asyncio.sleep(1.2)
    assert seen[0] == 0
    assert seen[-1] == 2


@on_virtual_time
async def test_there_is_nothing_to_watch_where_nothing_runs(bot: Harness) -> None:
    await bot.send()
    assert [each async for each in bot.service.watch(await bot.service.find())] == []


# --- pause and cancel


@pytest.mark.parametrize("state", [State.PAUSED, State.CANCELLED])
@on_virtual_time
async def test_what_nobody_runs_is_stopped_at_once(bot: Harness, state: State) -> None:
    bot.become(script={"@friend1": OFFLINE})
    report = await bot.send(concurrency=1)
    stop = bot.service.pause if state is State.PAUSED else bot.service.cancel
    stopped = await stop(None, bot.reporter)
    assert (stopped.broadcast.id, stopped.broadcast.state) == (report.broadcast, state)
    told = (stopped.was_running, stopped.nothing_to_stop, stopped.is_at_telegram)
    assert told == (False, False, False)
    assert bot.reporter.asked_to_stop == []


@on_virtual_time
async def test_what_is_done_is_not_stopped(bot: Harness) -> None:
    report = await bot.send()
    for stop in (bot.service.pause, bot.service.cancel):
        stopped = await stop(report.broadcast, bot.reporter)
        assert stopped.nothing_to_stop
        assert stopped.broadcast.state is State.DONE
        with pytest.raises(InputError, match="no broadcast is unfinished"):
            await stop(None, bot.reporter)


@on_virtual_time
async def test_what_was_cancelled_is_not_paused(bot: Harness) -> None:
    broadcast = await bot.schedule()
    await bot.service.cancel(broadcast.id, bot.reporter)
    with pytest.raises(InputError, match="was cancelled"):
        await bot.service.pause(broadcast.id, bot.reporter)


@pytest.mark.parametrize("state", [State.PAUSED, State.CANCELLED])
@on_virtual_time
async def test_what_runs_is_asked_and_waited_for(bot: Harness, state: State) -> None:
    broadcast = await bot.schedule(HELLO)
    later = await bot.schedule(Message("not meant"))
    asked = asyncio.Event()

    async def work() -> None:
        async with bot.ledger.start(broadcast, account=ME, on_stop=asked.set):
            await asked.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(work())
        await asyncio.sleep(0.1)
        if state is State.PAUSED:
            stopped = await bot.service.pause(None, bot.reporter)
        else:
            stopped = await bot.service.cancel(broadcast.id, bot.reporter)
    assert (stopped.broadcast.id, stopped.broadcast.state) == (broadcast.id, state)
    assert (stopped.was_running, stopped.broadcast.owner) == (True, None)
    assert bot.reporter.asked_to_stop == [broadcast.id]
    assert await bot.state(later) is State.OPEN


@on_virtual_time
async def test_what_does_not_end_is_not_waited_for_for_ever(bot: Harness) -> None:
    broadcast = await bot.schedule(HELLO)
    async with bot.ledger.start(broadcast, account=ME):
        before = bot.clock.monotonic()
        stopped = await bot.service.pause(None, bot.reporter)
        assert ASK_PATIENCE <= bot.clock.monotonic() - before < 2 * ASK_PATIENCE
        assert stopped.was_running
        assert stopped.broadcast.owner is not None


@on_virtual_time
async def test_whoever_waits_for_the_end_of_a_run_may_stop_to(bot: Harness) -> None:
    broadcast = await bot.schedule(HELLO)
    async with bot.ledger.start(broadcast, account=ME):
        before = bot.clock.monotonic()
        asyncio.get_running_loop().call_later(2.0, bot.reporter.stop.ask)
        stopped = await bot.service.pause(None, bot.reporter)
        assert 2.0 <= bot.clock.monotonic() - before < 2.5
        assert stopped.was_running  # and is asked to stop nevertheless


@on_virtual_time
async def test_a_service_pauses_what_another_one_sends(bot: Harness) -> None:
    """As from another terminal: the run finishes what is under way, and can be resumed."""
    bot.reporter.on_settled = lambda delivery: paused.set()
    paused = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        sending = group.create_task(bot.send(to=300, rate=2.0, confirmed=True))
        await paused.wait()
        stopped = await bot.service.pause(None, bot.reporter)
    report = sending.result()
    assert (report.stopped, stopped.broadcast.state) == (True, State.PAUSED)
    assert 0 < report.counts.sent < 300
    bot.reporter = RecordingReporter()
    assert (await bot.resume()).counts.sent == 300


# --- what waits at Telegram is not touched by a cancel


@on_virtual_time
async def test_a_bots_is_just_cancelled(bot: Harness) -> None:
    broadcast = await bot.schedule()
    stopped = await bot.service.cancel(broadcast.id, bot.reporter)
    assert not stopped.is_at_telegram
    assert await bot.state(broadcast) is State.CANCELLED
    await asyncio.sleep((SIX - bot.clock.utc()).total_seconds())
    assert await bot.send_due() == []
    assert bot.texts == []


@pytest.mark.parametrize("why", ["nothing there", "gone out", "taken back"])
@on_virtual_time
async def test_what_does_not_wait_at_telegram_needs_no_recall(person: Harness, why: str) -> None:
    broadcast = await person.schedule()
    if why != "nothing there":
        await person.resume(broadcast.id)
    if why == "gone out":
        await asyncio.sleep((SIX - person.clock.utc()).total_seconds())
    if why == "taken back":
        body = Message("")
        await person.ledger.create_change("zzzz000001", Action.RECALL, broadcast, body)
    stopped = await person.service.cancel(broadcast.id, person.reporter)
    assert not stopped.is_at_telegram
    recall = stopped.broadcast.recalled and stopped.broadcast.recalled.by
    assert recall == ("zzzz000001" if why == "taken back" else None)
    left = State.CANCELLED if why == "nothing there" else State.DONE
    assert await person.state(broadcast) is left


@on_virtual_time
async def test_what_is_in_doubt_may_wait_at_telegram(person: Harness) -> None:
    broadcast = await person.schedule()
    run = await person.ledger.take_over(broadcast, account=ME)  # type: ignore[attr-defined]
    await run.claim(1, person.clock.utc())
    await run.finish()
    assert (await person.service.cancel(broadcast.id, person.reporter)).is_at_telegram


@on_virtual_time
async def test_a_running_one_is_stopped_first_and_then_wants_a_recall(person: Harness) -> None:
    broadcast = await person.schedule()
    asked = asyncio.Event()

    async def work() -> None:
        async with person.ledger.start(broadcast, account=ME, on_stop=asked.set) as run:
            (first, second) = await run.claim(9, person.clock.utc())
            await run.settle([(first, Sent(1))], person.clock.utc())
            await run.release([second])
            await asked.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(work())
        await asyncio.sleep(0.1)
        stopped = await person.service.cancel(broadcast.id, person.reporter)
    assert (stopped.was_running, stopped.is_at_telegram) == (True, True)
    assert await person.state(broadcast) is State.CANCELLED


@on_virtual_time
async def test_without_an_id_the_only_one_to_come_is_cancelled(bot: Harness) -> None:
    with pytest.raises(InputError, match="no broadcast is unfinished"):
        await bot.service.cancel(None, bot.reporter)
    six = await bot.schedule()
    await bot.send(Message("now"))
    four = await bot.schedule(Message("tea", when=at(SIX.replace(hour=16))))
    with pytest.raises(InputError) as caught:
        await bot.service.cancel(None, bot.reporter)
    assert {step.id for step in caught.value.steps} == {six.id, four.id}
    await bot.service.cancel(six.id, bot.reporter)
    assert (await bot.service.cancel(None, bot.reporter)).broadcast.id == four.id


@on_virtual_time
async def test_without_an_id_what_waits_at_telegram_is_found(person: Harness) -> None:
    there = await person.send(Message("later", when=at(SIX)))
    await person.send(Message("now"))
    stopped = await person.service.cancel(None, person.reporter)
    assert (stopped.broadcast.id, stopped.is_at_telegram) == (there.broadcast, True)
