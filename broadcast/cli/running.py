"""How every command that writes to people runs: its options, the account, the end; no command."""

from __future__ import annotations

import gc
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from broadcast.cli.account import prompts
from broadcast.cli.parsing import (
    DONE,
    HALTED,
    INTERRUPTED,
    SOME_FAILED,
    USAGE,
    account_options,
    json_option,
    options,
    sandbox_option,
    settings_of,
)
from broadcast.cli.waiting import loading, wait_for
from broadcast.core.duration import seconds_of
from broadcast.core.errors import InputError
from broadcast.core.model import Halted, State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable

    from broadcast.app import Options, Report
    from broadcast.core.model import Broadcast, Contact, Message
    from broadcast.ledger.sqlite.ledger import SqliteLedger
    from broadcast.settings import Settings
    from broadcast.telegram.sender import TelethonTransport
    from broadcast.terminal import Output

    Make = Callable[[TelethonTransport], Awaitable[Broadcast]]

STOPPING = "stopping: what is under way is being finished. Ctrl-C again to stop at once"
LEAST_RATE = 1 / 86_400  # messages a second: one a day
CANARY_DIED = Halted(
    "CANARY_DIED",
    "too many of the first failed. Look at the list before the account suffers; resuming goes on",
)


class _Rate(click.ParamType):  # pyright: ignore[reportMissingTypeArgument] - no generic at run time
    name = "rate"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Messages a second; 0.0 stands for `max`."""
        if value == "max" or isinstance(value, float):
            return 0.0 if value == "max" else value
        try:
            rate = float(value)
        except ValueError:
            rate = 0.0
        if not LEAST_RATE <= rate <= 1_000_000:
            least = "; one a day, 0.0000116, is the least" if 0 < rate < LEAST_RATE else ""
            told = f"{value!r} is neither a number of messages a second nor max{least}"
            self.fail(told, param, ctx)
        return rate


class _Duration(click.ParamType):  # pyright: ignore[reportMissingTypeArgument]
    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds, from `90`, `90s`, `15m`, `2h` or `1d`."""
        if isinstance(value, float):
            return value
        try:
            return seconds_of(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


run_options = options(
    sandbox_option,
    click.option(
        "--rate",
        type=_Rate(),
        metavar="N|max",
        help="Messages a second at most. [default: learned; 30 for a bot, 1 for a person at first]",
    ),
    click.option(
        "--concurrency",
        type=click.IntRange(1, 1000),
        help="Requests under way at once. [default: what the rate needs, 20 or more]",
    ),
    click.option(
        "--canary",
        type=click.IntRange(1),
        metavar="N",
        help="Send to N first, and go on only when few of them failed.",
    ),
    click.option(
        "--max-failures",
        type=click.IntRange(1, 100),
        metavar="PERCENT",
        default=50,
        show_default=True,
        help="Stop when more fail than this; 100 never stops.",
    ),
    click.option(
        "--max-wait",
        type=_Duration(),
        metavar="TIME",
        default="15m",
        show_default=True,
        help="Stop, to be resumed, when Telegram asks for a longer wait.",
    ),
    click.option(
        "--patience",
        type=_Duration(),
        metavar="TIME",
        default="10m",
        show_default=True,
        help="Stop, to be resumed, after so long without a connection.",
    ),
    click.option(
        "--paid",
        is_flag=True,
        help="Bots only: up to 1000 a second, for 0.1 Star for each message above 30 a second.",
    ),
    click.option(
        "--stars-budget",
        type=click.IntRange(1),
        metavar="N",
        help="Stars that --paid may spend on this broadcast, in all.",
    ),
    json_option,
    click.option(
        "--quiet", is_flag=True, help="Print only failures; with --json only the summary."
    ),
    account_options,
    title="The run",
)


def settings_for(given: dict[str, Any]) -> Settings:
    """The settings of a run. Raises what is missing before anything is done."""
    if given["paid"] and given["stars_budget"] is None:
        raise click.UsageError(
            "--paid costs Telegram Stars: say how many at most, such as --stars-budget 500; "
            "nothing was sent"
        )
    if given["stars_budget"] is not None and not given["paid"]:
        raise click.UsageError("--stars-budget is for --paid; nothing was sent")
    if given.get("dry_run") and given.get("rehearse"):
        raise click.UsageError("--dry-run or --rehearse: not both at once; nothing was sent")
    names = ("session", "server", "server_key")
    settings = settings_of(given["home"], **{name: given[name] for name in names})
    if given["sandbox"] and (given["server"] or given["server_key"]):
        raise click.UsageError(
            "--sandbox is a server of its own: leave out --server; nothing was sent"
        )
    if not (given["sandbox"] or given.get("dry_run") or given.get("rehearse")):
        settings.access()
    return settings


def options_of(given: dict[str, Any]) -> Options:
    """The options of the command line as a run takes them."""
    from broadcast.app import Options  # noqa: PLC0415 - `--help` needs none

    return Options(
        rate=given["rate"],
        concurrency=given["concurrency"],
        max_failures=given["max_failures"] / 100,
        max_wait=given["max_wait"],
        patience=given["patience"],
        budget=given["stars_budget"],
    )


def is_bot(settings: Settings, given: dict[str, Any]) -> bool:
    """Whether a bot would send, as far as that is known before anybody signs in."""
    return given["paid"] or settings.has_bot_token


def run(
    settings: Settings,
    ledger: SqliteLedger,
    given: dict[str, Any],
    make: Make,
    *,
    contacts: Iterable[Contact] = (),
    account: int | None = None,
) -> int:
    """Open the account, make the broadcast or take up an earlier one, and do what is left of it.

    `account` is the one that an earlier broadcast was started with.
    """
    from broadcast import terminal as console  # noqa: PLC0415

    chosen = options_of(given)
    output = console.Output()
    work = partial(_run, settings, ledger, given, output, contacts=contacts, account=account)
    if given["canary"]:
        first = replace(chosen, first=given["canary"])
        report = wait_for(work(first, make=make))
        if report.halted or report.stopped or not report.is_unfinished:
            return _end(report, output, given)
        if not _goes_on(report, given):
            return _end(replace(report, halted=CANARY_DIED), output, given)
        make = taking_up(ledger.find(report.broadcast))
    report = wait_for(work(chosen, make=make))
    return _end(report, output, given)


def rehearse(
    settings: Settings, given: dict[str, Any], message: Message, audience: Collection[Contact]
) -> int:
    """Do it all against the sandbox on virtual time; the exit code is that of the real run."""
    from broadcast import app, checks  # noqa: PLC0415
    from broadcast import terminal as console  # noqa: PLC0415
    from broadcast.rehearsal import rehearse  # noqa: PLC0415

    by_bot = is_bot(settings, given)
    if given["paid"] and settings.credentials and settings.credentials.bot_id is None:
        raise InputError(checks.ONLY_BOTS_PAY)
    known = app.known_before(settings)
    chosen, watcher = (
        options_of(given),
        console.Rehearsing(checks.count_messages(message, audience)),
    )
    with watcher:
        whole = partial(rehearse, message, audience, is_bot=by_bot, known=known, watcher=watcher)
        rehearsal = whole(replace(chosen, first=given["canary"]))
        counts = rehearsal.report.counts
        is_good = 100 * counts.failed <= given["max_failures"] * (counts.sent + counts.failed)
        rest = max(len(audience) - (given["canary"] or len(audience)), 0)
        if rest and is_good and not rehearsal.report.halted:
            rehearsal = whole(chosen)
        elif rest:
            stopped = replace(
                rehearsal.report,
                counts=replace(counts, pending=counts.pending + rest),
                halted=rehearsal.report.halted or CANARY_DIED,
            )
            rehearsal = replace(rehearsal, report=stopped)
    console.show_rehearsal(rehearsal, as_json=given["json"], quiet=given["quiet"])
    return _exit_code(rehearsal.report)


def taking_up(broadcast: Broadcast) -> Make:
    """Makes nothing: `broadcast` is there already."""

    async def make(_: TelethonTransport) -> Broadcast:
        return broadcast

    return make


async def _run(
    settings: Settings,
    ledger: SqliteLedger,
    given: dict[str, Any],
    output: Output,
    chosen: Options,
    *,
    make: Make,
    contacts: Iterable[Contact],
    account: int | None,
) -> Report:
    from broadcast import app, checks  # noqa: PLC0415
    from broadcast import terminal as console  # noqa: PLC0415

    if given["sandbox"]:
        from broadcast.sandbox.limits import Limits  # noqa: PLC0415
        from broadcast.sandbox_app import open_sandbox, sandbox_has_bot  # noqa: PLC0415

        limits = Limits.none() if chosen.rate == 0.0 else None  # `max` is for such servers
        by_bot = is_bot(settings, given) if account is None else sandbox_has_bot(account)
        opening = open_sandbox(contacts, settings, is_bot=by_bot, limits=limits)
        server = "sandbox"
    else:
        with loading():
            opening = app.open_telegram(settings, prompts())
        server = None if settings.server is None else str(settings.server)
    async with opening as transport:
        sender = transport.account
        if chosen.budget is not None:
            checks.require_bot(sender)
        broadcast = await make(transport)
        pending = broadcast.counts.pending
        if chosen.budget is not None and not given["quiet"]:
            console.show_cost(pending, chosen.budget, broadcast.paid)
        pacer = chosen.pacer(ledger.known(sender.id, server), is_bot=sender.is_bot)
        total = pending if chosen.first is None else min(pending, chosen.first)
        watcher = console.watcher(total, output, pacer, as_json=given["json"], quiet=given["quiet"])
        _spare_the_collector()
        with watcher:
            return await app.run(
                broadcast,
                ledger,
                transport,
                chosen,
                server=server,
                pacer=pacer,
                watcher=watcher,
                stopping=lambda stop: _stopping(stop, output),
            )


def _spare_the_collector() -> None:
    """Do not search for cycles among all that was imported, again and again.

    A message leaves none. It is a fifth of what it costs otherwise; only a process of our own may
    decide so.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _stopping(stop: Callable[[], None], output: Output) -> Any:
    """Whatever ends a run early: Ctrl-C, SIGTERM, or a reader of stdout that leaves."""
    from broadcast import app  # noqa: PLC0415
    from broadcast import terminal as console  # noqa: PLC0415

    output.on_closed = stop
    return app.stop_on_signals(stop, lambda: console.say(STOPPING))


def _goes_on(report: Report, given: dict[str, Any]) -> bool:
    """Whether the rest may follow the canary; asks a person when too many of it failed."""
    from broadcast import terminal as console  # noqa: PLC0415

    counts = report.of_this_run
    is_good = 100 * counts.failed <= given["max_failures"] * (counts.sent + counts.failed)
    if not (is_good and given["quiet"]):
        console.show_canary(report)
    if is_good:
        return True
    return console.can_ask() and click.confirm(f"Send to the other {counts.pending}?", err=True)


def _end(report: Report, output: Output, given: dict[str, Any]) -> int:
    """Show what became of everybody, and answer with the exit code."""
    from broadcast import terminal as console  # noqa: PLC0415

    console.show_result(
        report,
        output,
        as_json=given["json"],
        quiet=given["quiet"],
        place=click.get_current_context().obj or "",
        retried=given.get("retried", False),
    )
    return _exit_code(report)


def _exit_code(report: Report) -> int:
    if report.halted is not None:
        return HALTED if report.halted.resumable else USAGE
    if report.is_unfinished or report.state is State.CANCELLED:
        return INTERRUPTED
    return SOME_FAILED if report.counts.failed else DONE
