"""What all commands share: open the service, run to the end, stop on signals, exit codes."""

from __future__ import annotations

import functools
import signal
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from broadcast.cli.parsing import (
    DONE,
    HALTED,
    INTERRUPTED,
    LOCKED,
    SOME_FAILED,
    USAGE,
    settings_of,
)
from broadcast.core.errors import HaltedError, LockedError
from broadcast.core.model import State

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator

    from broadcast.core.errors import BroadcastError
    from broadcast.service.ports import Accounts
    from broadcast.service.reports import Report
    from broadcast.service.service import Service
    from broadcast.service.stop import Stop
    from broadcast.settings import Settings

STOPPING = "stopping: what is under way is being finished. Ctrl-C again to stop at once"


def awaited(command: Callable[..., Coroutine[Any, Any, int]]) -> Callable[..., int]:
    """Run a command that is a coroutine. Raises KeyboardInterrupt when it was cancelled."""

    @functools.wraps(command)
    def run(*args: Any, **given: Any) -> int:
        import asyncio

        # Instead of asyncio's own handling of Ctrl-C, which waits until a long list is read.
        before = signal.signal(signal.SIGINT, _interrupt)
        try:
            return asyncio.run(command(*args, **given))
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
        finally:
            signal.signal(signal.SIGINT, before)

    return run


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def settings_for(given: dict[str, Any]) -> Settings:
    """The settings for a command with the options of a run or of an account."""
    names = ("session", "server", "server_key")
    settings = settings_of(given["home"], **{name: given.get(name) for name in names})
    if given.get("sandbox") and (given.get("server") or given.get("server_key")):
        raise click.UsageError(
            "--sandbox is a server of its own: leave out --server; nothing was sent"
        )
    return settings


@asynccontextmanager
async def open_service(
    given: dict[str, Any], *, read_only: bool = False
) -> AsyncGenerator[Service]:
    """The service for the options of a command; `read_only` creates no file."""
    from broadcast import app
    from broadcast.terminal.questions import asker

    async with app.open_service(
        settings_for(given),
        sandbox=given.get("sandbox", False),
        unlimited=given.get("rate") == 0.0,  # `max` is for servers without limits
        asker=asker(),
        read_only=read_only,
    ) as service:
        yield service


def open_accounts(given: dict[str, Any]) -> Accounts:
    """The account for the options of a command; it is not signed in yet."""
    from broadcast import app

    return app.telegram_accounts(settings_for(given))


@contextmanager
def stop_on_signals(stop: Stop, told: str = STOPPING) -> Generator[None]:
    """Ctrl-C and SIGTERM ask to stop; a second one, or one while nothing is sent, stops at once."""
    import asyncio

    from broadcast.terminal.streams import say

    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    signals = (signal.SIGINT, signal.SIGTERM)

    def on_signal() -> None:
        if stop.is_heard and not stop.is_asked:
            if told:
                say(told)
            stop.ask()
        elif task is not None:
            task.cancel()

    with suppress(NotImplementedError):  # loops on Windows know no signals: there Ctrl-C cancels
        for number in signals:
            loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        with suppress(NotImplementedError):
            for number in signals:
                loop.remove_signal_handler(number)
        signal.signal(signal.SIGINT, _interrupt)


def exit_code(report: Report) -> int:
    """The exit code for the result of a run, as README.md lists them."""
    if report.halted is not None:
        is_begun = report.counts.sent + report.counts.in_doubt > 0
        return HALTED if report.halted.resumable or is_begun else USAGE
    if report.is_unfinished or report.state is State.CANCELLED:
        return INTERRUPTED
    return SOME_FAILED if report.counts.failed else DONE


def exit_code_of(error: BroadcastError) -> int:
    """The exit code for what a person can fix, or time."""
    match error:
        case LockedError():
            return LOCKED
        case HaltedError():
            return HALTED
        case _:
            return USAGE
