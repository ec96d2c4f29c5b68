"""How a command waits for the service, ends early, and which code it exits with."""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from broadcast.cli.running import STOPPING, awaited, exit_code, stop_on_signals
from broadcast.core.model import Action, Broadcast, Counts, Halted, Message, State
from broadcast.ledger.memory import in_memory
from broadcast.service.reports import Report
from broadcast.service.stop import Stop

if TYPE_CHECKING:
    from collections.abc import Iterator

STOPS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Whatever a test does with signals is undone."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_cancelled_command_is_an_interrupted_one() -> None:
    @awaited
    async def work() -> int:
        raise asyncio.CancelledError

    with pytest.raises(KeyboardInterrupt):
        work()


def test_ctrl_c_ends_a_command_in_the_middle_of_what_it_does() -> None:
    @awaited
    async def work() -> int:
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("it went on")

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        work()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_command_returns_its_code() -> None:
    @awaited
    async def work(*, code: int) -> int:
        return code

    assert work(code=3) == 3


async def turns() -> None:
    """Long enough for a signal that was raised to be heard."""
    for _ in range(5):
        await asyncio.sleep(0)


@STOPS
def test_the_first_signal_asks_for_the_end_and_the_second_ends_it(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    stop, asked = Stop(), list[str]()

    @awaited
    async def work() -> int:
        with stop_on_signals(stop), stop.calling(lambda: asked.append("engine")):
            signal.raise_signal(number)
            await turns()
            assert (stop.is_asked, asked) == (True, ["engine"])
            signal.raise_signal(number)
            await asyncio.Event().wait()
        raise AssertionError("it went on")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert capsys.readouterr().err == f"{STOPPING}\n"


@STOPS
def test_where_nothing_is_sent_the_first_signal_ends_it(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as while a process waits for the time of a broadcast."""
    stop = Stop()

    @awaited
    async def work() -> int:
        with stop_on_signals(stop):
            signal.raise_signal(number)
            await stop.sleep(3600)
        raise AssertionError("it went on")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert (stop.is_asked, capsys.readouterr().err) == (False, "")


@STOPS
def test_a_stop_that_was_heard_once_is_not_heard_again_later(number: signal.Signals) -> None:
    """Asked to stop in the one run, a signal after it does not wait for the next."""
    stop = Stop()

    @awaited
    async def work() -> int:
        with stop_on_signals(stop):
            with stop.calling(lambda: None):
                signal.raise_signal(number)
                await turns()
            signal.raise_signal(number)
            await asyncio.Event().wait()
        return 0

    with pytest.raises(KeyboardInterrupt):
        work()
    assert stop.is_asked


def test_after_the_run_ctrl_c_is_what_it_was_before_it() -> None:
    @awaited
    async def work() -> int:
        with stop_on_signals(Stop()):
            pass
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("it went on")

    with pytest.raises(KeyboardInterrupt):
        work()


RESUMABLE, WRONG = Halted("OFFLINE", "no connection"), Halted("X", "wrong", resumable=False)


def report(
    counts: Counts,
    *,
    state: State = State.OPEN,
    halted: Halted | None = None,
    stopped: bool = False,
    scheduled: int = 0,
) -> Report:
    now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    broadcast = Broadcast(1, "a", Action.SEND, Message("x"), now, state, counts)
    return Report(broadcast, Counts(), 0.0, halted, stopped, 0, scheduled, in_memory())


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (report(Counts(3), state=State.DONE), 0),
        (report(Counts(2, 1), state=State.DONE), 1),
        (report(Counts(2, 1, 0, 1), halted=RESUMABLE), 3),
        (report(Counts(2, 1, 0, 1), halted=WRONG), 3),  # what has begun is not "fix this first"
        (report(Counts(0, 1, 0, 1), halted=WRONG), 2),
        (report(Counts(0, 1, 0, 1, in_doubt=1), halted=WRONG), 3),
        (report(Counts(2, 1, 0, 1), stopped=True), 130),
        (report(Counts(2, 0, 0, 1), state=State.PAUSED), 130),
        (report(Counts(2, 0, 1, 0), state=State.CANCELLED), 130),
        (report(Counts(2, 0, 0, 1), scheduled=1), 0),
        (report(Counts(1, 1, 0, 1), scheduled=1), 1),
        (report(Counts(2, 0, 0, 2), scheduled=1), 130),
        (report(Counts(2, 0, 0, 1), scheduled=1, stopped=True), 130),
    ],
)
def test_the_code_says_what_became_of_a_run(told: Report, code: int) -> None:
    assert exit_code(told) == code
