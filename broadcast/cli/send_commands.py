"""The commands that write to many people: send, resume, retry, edit, recall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from broadcast.cli.message import content_options, message_of
from broadcast.cli.parsing import DONE, SOME_FAILED, cli, options, place, refuse_idle
from broadcast.cli.run_options import NOT_PLANNED, options_of, run_options
from broadcast.cli.running import (
    awaited,
    exit_code,
    open_service,
    stop_on_signals,
)
from broadcast.core.counted import have_it
from broadcast.core.model import Action
from broadcast.settings import user_path

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from broadcast.core.model import Message
    from broadcast.service.changing import Changed
    from broadcast.service.plan import Plan
    from broadcast.service.ports import Reporter
    from broadcast.service.reports import Report
    from broadcast.service.requests import AudienceRequest, SendRequest
    from broadcast.service.service import Service

audience_options = options(
    click.option(
        "--contacts",
        type=click.Path(),
        metavar="FILE",
        help="The contact list: .yaml, .csv or .jsonl. [default: contacts.yaml]",
    ),
    click.option(
        "--encoding",
        metavar="NAME",
        help="Of the contact list, such as cp1252. [default: utf-8; utf-16 is seen]",
    ),
    click.option(
        "--to",
        multiple=True,
        metavar="SELECTOR",
        help="Only these: a tag, a name or a peer. Commas mean and, --to again means or.",
    ),
    click.option(
        "--exclude", multiple=True, metavar="SELECTOR", help="Not these; written like --to."
    ),
)

_yes_option = click.option("--yes", is_flag=True, help="Do not ask first.")


@cli.command()
@click.argument("message", nargs=-1)
@audience_options
@click.option("--dry-run", is_flag=True, help="Show who would get what. Nothing is sent.")
@click.option(
    "--rehearse",
    is_flag=True,
    help="Simulate it: how long it would take, who would fail. Nothing is sent.",
)
@click.option(
    "--once", metavar="KEY", help="Send it only once under this key, however often it is run."
)
@click.option(
    "--include-new",
    is_flag=True,
    help="With --once: send it also to those who are new on the list since.",
)
@click.option(
    "--yes", is_flag=True, help="Do not ask: neither above 20 people, nor what looks like a slip."
)
@content_options()
@run_options
@awaited
async def send(message: tuple[str, ...], **given: Any) -> int:
    """Send MESSAGE to the contacts, each exactly once. `-` reads it from stdin.

    \b
    Exit codes: 0 all sent, 1 some recipients failed, 2 something to fix first,
    3 stopped before the end, 4 another process is sending it, 130 interrupted.
    """
    from broadcast.terminal.streams import require_reader

    require_reader()
    if given["dry_run"] and given["rehearse"]:
        raise click.UsageError("--dry-run or --rehearse: not both at once; nothing was sent")
    if given["dry_run"]:
        refuse_idle("--dry-run", *NOT_PLANNED)
    request = send_request(message_of(message, given), given)
    async with open_service(given, read_only=given["dry_run"] or given["rehearse"]) as service:
        plan = await service.plan(request)
        if given["dry_run"]:
            return await _dry_run(plan, given)
        if given["rehearse"]:
            return await _rehearse(service, plan, given)
        return await send_plan(service, plan, given)


def send_request(message: Message, given: dict[str, Any]) -> SendRequest:
    """What the options ask for."""
    from broadcast.service.requests import SendRequest

    return SendRequest(
        message,
        audience_request(given),
        options_of(given),
        once=given.get("once"),
        include_new=given.get("include_new", False),
        confirmed=given.get("yes", False),
    )


def audience_request(given: dict[str, Any]) -> AudienceRequest:
    """Whom the options choose."""
    from broadcast.service.requests import AudienceRequest

    chosen = given["contacts"]
    path = user_path(chosen) if chosen else None
    return AudienceRequest(path, given["to"], given["exclude"], given["encoding"])


async def send_plan(service: Service, plan: Plan, given: dict[str, Any]) -> int:
    """Ask the questions of the plan, send, and show the result."""
    from broadcast.terminal.planned import show_question, show_remarks
    from broadcast.terminal.streams import can_ask

    show_remarks(plan, quiet=given["quiet"])
    if plan.is_done:
        return await _was_sent(plan, given)
    if plan.questions and not given.get("yes") and can_ask():
        show_question(plan)
    return await run(given, lambda reporter: service.send(plan, reporter))


async def _was_sent(plan: Plan, given: dict[str, Any]) -> int:
    """It was sent before under the same key, so nothing is left to do."""
    from broadcast.terminal.deliveries import show_was_sent

    earlier = plan.earlier
    assert earlier is not None  # noqa: S101 - `is_done` says so
    shown = {"as_json": given["json"], "quiet": given["quiet"]}
    await show_was_sent(earlier, plan.newcomers, **shown)
    return SOME_FAILED if earlier.counts.failed else DONE


async def _dry_run(plan: Plan, given: dict[str, Any]) -> int:
    from broadcast.terminal.planned import show_doubts, show_dry_run, show_remarks

    show_remarks(plan)
    show_doubts(plan)
    show_dry_run(plan, as_json=given["json"])
    return DONE


async def _rehearse(service: Service, plan: Plan, given: dict[str, Any]) -> int:
    from broadcast.terminal.planned import show_doubts, show_remarks
    from broadcast.terminal.rehearsal import RehearsalReporter, show_rehearsal

    show_remarks(plan, quiet=given["quiet"])
    show_doubts(plan)
    with RehearsalReporter(plan.messages) as reporter:
        rehearsal = await service.rehearse(plan, reporter)
    await show_rehearsal(
        rehearsal,
        plan.newcomers,
        is_bot=plan.is_bot,
        as_json=given["json"],
        quiet=given["quiet"],
    )
    return exit_code(rehearsal.report)


async def run(
    given: dict[str, Any],
    work: Callable[[Reporter], Awaitable[Report]],
    *,
    retried: bool = False,
) -> int:
    """Do `work` with its progress shown, then show the result for each recipient."""
    from broadcast.terminal.deliveries import show_result
    from broadcast.terminal.progress import TerminalReporter

    reporter = TerminalReporter(as_json=given["json"], quiet=given["quiet"])
    with stop_on_signals(reporter.stop):
        report = await work(reporter)
    await show_result(
        report,
        reporter.output,
        as_json=given["json"],
        quiet=given["quiet"],
        place=place(),
        retried=retried,
    )
    return exit_code(report)


@cli.command()
@click.argument("id", required=False)
@click.option("--now", is_flag=True, help="Send a scheduled broadcast before its time.")
@run_options
@awaited
async def resume(id: str | None, *, now: bool, **given: Any) -> int:  # noqa: A002 - the word in the help text
    """Go on with a broadcast: nobody gets it twice, nobody is missed.

    Without an ID the last one that is unfinished. Neither the contact list nor the message is
    needed: both were frozen when it was made.
    """
    from broadcast.service.requests import ResumeRequest
    from broadcast.terminal.deliveries import show_counts
    from broadcast.terminal.scheduled import show_not_yet
    from broadcast.terminal.streams import require_reader, say

    require_reader()
    async with open_service(given) as service:
        plan = await service.plan_resume(ResumeRequest(id, options_of(given), now))
        if plan.not_yet:
            if not given["quiet"]:
                show_not_yet(plan.broadcast, place())
            show_counts(plan.broadcast, as_json=given["json"])
            return DONE
        if not given["quiet"]:  # before Telethon is loaded and connected, which takes a moment
            say(f"resuming {plan.broadcast.id}: {have_it(plan.broadcast.counts)}")
        return await run(given, lambda reporter: service.resume(plan, reporter))


@cli.command()
@click.argument("id", required=False)
@click.option(
    "--all", "insist", is_flag=True, help="Also those where trying again can hardly help."
)
@run_options
@awaited
async def retry(id: str | None, *, insist: bool, **given: Any) -> int:  # noqa: A002
    """Retry the failed recipients, where trying again can help."""
    from broadcast.service.requests import RetryRequest
    from broadcast.terminal.deliveries import show_counts, show_nothing_to_retry
    from broadcast.terminal.streams import require_reader

    require_reader()
    async with open_service(given) as service:
        plan = await service.plan_retry(RetryRequest(id, options_of(given), insist))
        if not plan.retries:
            is_fine = not plan.broadcast.counts.failed
            if not (given["quiet"] and is_fine):
                show_nothing_to_retry(plan.broadcast, place(), insisted=insist)
            show_counts(plan.broadcast, as_json=given["json"])
            return DONE if is_fine else SOME_FAILED
        return await run(given, lambda reporter: service.retry(plan, reporter), retried=True)


@cli.command()
@click.argument("id", required=False)
@click.argument("message", nargs=-1)
@content_options(of_edit=True)
@_yes_option
@run_options
@awaited
async def edit(id: str | None, message: tuple[str, ...], **given: Any) -> int:  # noqa: A002
    """Replace the text of a broadcast with MESSAGE, for everybody who got it.

    Without an ID the one that is running, or the only one that is unfinished or scheduled.
    """
    from broadcast.terminal.streams import require_reader

    require_reader()
    if id is not None and not id.isalnum():  # so it is the message
        id, message = None, (id, *message)  # noqa: A001 - the same name
    body = message_of(message, given)
    async with open_service(given) as service:
        return await change(service, id, Action.EDIT, given, body)


@cli.command()
@click.argument("id")
@_yes_option
@run_options
@awaited
async def recall(id: str, **given: Any) -> int:  # noqa: A002
    """Delete a broadcast for everybody who got it. What is still pending is cancelled."""
    from broadcast.terminal.streams import require_reader

    require_reader()
    async with open_service(given) as service:
        return await change(service, id, Action.RECALL, given)


async def change(
    service: Service,
    id: str | None,  # noqa: A002
    action: Action,
    given: dict[str, Any],
    message: Message | None = None,
) -> int:
    """Edit or recall a broadcast, and say for whom that is not known."""
    from broadcast.service.requests import ChangeRequest
    from broadcast.terminal.deliveries import show_in_doubt
    from broadcast.terminal.preview import headline
    from broadcast.terminal.streams import can_ask, say

    request = ChangeRequest(id, action, message, options_of(given), confirmed=given["yes"])
    plan = await service.plan_change(request)
    if plan.questions and can_ask():
        say(f"{plan.target.id}: {headline(plan.target.message)}")
    changed: list[Changed] = []

    async def work(reporter: Reporter) -> Report:
        changed.append(await service.change(plan, reporter))
        return changed[0].report

    code = await run(given, work)
    show_in_doubt(changed[0], place())
    return SOME_FAILED if code == DONE and changed[0].in_doubt else code
