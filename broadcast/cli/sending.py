"""The commands that do something to many people: send, resume, retry, edit, recall."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from broadcast.cli.content import EDITABLE, contact_message, content_options, message_of
from broadcast.cli.parsing import DONE, SOME_FAILED, USAGE, cli, options
from broadcast.cli.running import (
    is_bot,
    options_of,
    rehearse,
    run,
    run_options,
    settings_for,
    taking_up,
)
from broadcast.cli.waiting import wait_for
from broadcast.core import lifecycle
from broadcast.core.model import Action, Format, Message, State
from broadcast.settings import user_path

if TYPE_CHECKING:
    from broadcast.core.model import Broadcast
    from broadcast.ledger.sqlite.ledger import SqliteLedger
    from broadcast.people.audience import Audience
    from broadcast.settings import Settings
    from broadcast.telegram.sender import TelethonTransport

ASK_ABOVE = 20  # recipients


audience_options = options(
    click.option(
        "--contacts",
        type=click.Path(),
        metavar="FILE",
        help="The contact list: .yaml, .csv or .jsonl. [default: contacts.yaml]",
    ),
    click.option(
        "--to",
        multiple=True,
        metavar="SELECTOR",
        help="Only these: a tag, a name or a peer. Commas mean and, --to again means or.",
    ),
    click.option(
        "--exclude", multiple=True, metavar="SELECTOR", help="Not these; read as --to is."
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
    help="Run it against the sandbox, in no time: how long, who would fail. Nothing is sent.",
)
@click.option("--once", metavar="KEY", help="Send it once under this key, however often started.")
@click.option("--yes", is_flag=True, help=f"Do not ask, also above {ASK_ABOVE} recipients.")
@content_options()
@run_options
def send(message: tuple[str, ...], **given: Any) -> int:
    """Send MESSAGE to the contacts, each exactly once. `-` reads it from stdin.

    \b
    Exit codes: 0 all sent, 1 some recipients failed, 2 something to mend first,
    3 stopped before the end, 4 another process is at it, 130 interrupted.
    """
    from broadcast import app, checks  # noqa: PLC0415 - `--help` needs neither
    from broadcast import terminal as console  # noqa: PLC0415 - `--help` needs neither

    console.require_reader()
    body = message_of(message, given)
    if given["once"] is not None and not (given["once"] and given["once"].isprintable()):
        raise click.UsageError("the key of --once is empty, or no text; nothing was sent")
    settings = settings_for(given)
    if given["dry_run"]:
        contacts = audience_of(settings, given, body)
        known, by_bot = app.known_before(settings), is_bot(settings, given)
        count = checks.count_messages(body, contacts)
        seconds = options_of(given).seconds_for(count, known, is_bot=by_bot)
        console.show_dry_run(body, contacts, count, seconds, as_json=given["json"])
        if given["paid"]:
            console.show_cost(count, given["stars_budget"], 0)
        return DONE
    if given["rehearse"]:
        return rehearse(settings, given, body, audience_of(settings, given, body))
    with app.open_ledger(settings, sandbox=given["sandbox"]) as ledger:
        earlier = app.earlier(ledger, body, given["once"])
        if earlier is not None and earlier.state is State.DONE:
            console.say(
                f"{earlier.id} was sent already under the key {given['once']}: "
                f"{earlier.counts.sent} sent, {earlier.counts.failed} failed"
            )
            if given["json"]:
                console.show_records(earlier, (), as_json=True)
            return SOME_FAILED if earlier.counts.failed else DONE
        if earlier is not None:
            return run(settings, ledger, given, taking_up(earlier), account=earlier.account)
        contacts = audience_of(settings, given, body)
        if len(contacts) > ASK_ABOVE and not given["yes"] and console.can_ask():
            console.show_question(body, contacts)
            if not _confirmed(f"Send it to {len(contacts)} people?"):
                return USAGE
        make = partial(app.make, ledger, body, contacts, once=given["once"])
        return run(settings, ledger, given, make, contacts=contacts)


def audience_of(settings: Settings, given: dict[str, Any], body: Message) -> Audience:
    """Those who are to get `body`, each of whom can get it as it is."""
    from broadcast import checks  # noqa: PLC0415
    from broadcast import terminal as console  # noqa: PLC0415
    from broadcast.people.lists import find_contacts, load_audience  # noqa: PLC0415

    chosen = given["contacts"]
    path = find_contacts(user_path(chosen) if chosen else None, Path.cwd(), settings.config_dir)
    read_message = contact_message(path.parent)
    audience = load_audience(path, given["to"], given["exclude"], read_message)
    console.show_problems(audience.warnings)
    checks.require_sendable(body, audience, str(path))
    return audience


@cli.command()
@click.argument("id", required=False)
@click.option("--now", is_flag=True, help="Do not wait for its time, where it has one.")
@run_options
def resume(id: str | None, *, now: bool, **given: Any) -> int:  # noqa: A002 - the word in the help text
    """Go on with a broadcast: nobody gets it twice, nobody is missed.

    Without an ID the last one that is unfinished. Neither the contact list nor the message is
    needed: both were frozen when it was made.
    """
    from broadcast import app  # noqa: PLC0415
    from broadcast import terminal as console  # noqa: PLC0415

    console.require_reader()
    settings = settings_for(given)
    with app.open_ledger(settings, sandbox=given["sandbox"]) as ledger:
        broadcast = ledger.find(id, unfinished=True)
        lifecycle.require_resumable(ledger.standing(broadcast))
        if now:
            wait_for(ledger.bring_forward(broadcast))
        elif 0 < broadcast.counts.pending == ledger.count_scheduled(broadcast):
            console.show_not_yet(broadcast)
            return DONE
        if not given["quiet"]:  # before Telethon is loaded and connected, which takes a moment
            counts = broadcast.counts
            console.say(f"resuming {broadcast.id}: {counts.sent} of {counts.total} have it")
        return run(settings, ledger, given, taking_up(broadcast), account=broadcast.account)


@cli.command()
@click.argument("id", required=False)
@click.option("--all", "insist", is_flag=True, help="Also where trying again can hardly help.")
@run_options
def retry(id: str | None, *, insist: bool, **given: Any) -> int:  # noqa: A002
    """Try those again that failed, where trying again can help."""
    from broadcast import app  # noqa: PLC0415
    from broadcast import terminal as console  # noqa: PLC0415

    console.require_reader()
    settings = settings_for(given)
    with app.open_ledger(settings, sandbox=given["sandbox"]) as ledger:
        broadcast = ledger.find(id)
        if not wait_for(ledger.requeue_failed(broadcast, insist=insist)):
            hint = "" if insist else f"; `broadcast retry {broadcast.id} --all` insists"
            failed = broadcast.counts.failed
            console.say(
                f"nothing to retry: trying again cannot help the {failed} that failed{hint}"
                if failed
                else "nothing to retry: nobody failed"
            )
            return SOME_FAILED if failed else DONE
        given["retried"] = True
        make = taking_up(ledger.reload(broadcast))
        return run(settings, ledger, given, make, account=broadcast.account)


@cli.command()
@click.argument("id")
@click.argument("message", nargs=-1)
@content_options(EDITABLE)
@_yes_option
@run_options
def edit(id: str, message: tuple[str, ...], **given: Any) -> int:  # noqa: A002
    """Replace the text of a broadcast with MESSAGE, for everybody who got it."""
    from broadcast import app, checks  # noqa: PLC0415
    from broadcast import terminal as console  # noqa: PLC0415

    console.require_reader()
    body = message_of(message, given)
    settings = settings_for(given)
    with app.open_ledger(settings, sandbox=given["sandbox"]) as ledger:
        target = ledger.find(id)
        body = replace(body, files=target.message.files)  # which stay: the text is their caption
        checks.require_editable(body, target, ledger)
        return _change(settings, ledger, given, Action.EDIT, target=target, body=body)


@cli.command()
@click.argument("id")
@_yes_option
@run_options
def recall(id: str, **given: Any) -> int:  # noqa: A002
    """Delete a broadcast for everybody who got it. What is still pending is cancelled."""
    from broadcast import app  # noqa: PLC0415
    from broadcast import terminal as console  # noqa: PLC0415

    console.require_reader()
    settings = settings_for(given)
    with app.open_ledger(settings, sandbox=given["sandbox"]) as ledger:
        target = ledger.find(id)
        body = Message("", Format.PLAIN)
        return _change(settings, ledger, given, Action.RECALL, target=target, body=body)


def _change(
    settings: Settings,
    ledger: SqliteLedger,
    given: dict[str, Any],
    action: Action,
    *,
    target: Broadcast,
    body: Message,
) -> int:
    from broadcast import app, checks  # noqa: PLC0415
    from broadcast import terminal as console  # noqa: PLC0415

    if given["paid"]:
        raise click.UsageError(f"--paid is for sending: to {action} costs nothing. Leave it out")
    lifecycle.require_changeable(ledger.standing(target), action, datetime.now(UTC))
    count = target.counts.sent
    if action is Action.RECALL:
        count += len(ledger.in_doubt(target))
    verb = "Delete it for" if action is Action.RECALL else "Replace its text for"
    if not given["yes"] and console.can_ask():
        console.say(f"{target.id}: {console.headline(target.message)}")
        if not _confirmed(f"{verb} {count} people?"):
            return USAGE

    async def make(transport: TelethonTransport) -> Broadcast:
        if action is Action.RECALL:
            await app.find_in_doubt(target, ledger, transport)
        checks.require_able(body, transport.account)
        return await ledger.create_change(app.new_id(), action, target, body)

    code = run(settings, ledger, given, make, account=target.account)
    in_doubt = ledger.reload(target).counts.pending
    if in_doubt:
        console.say(
            f"{in_doubt} more may have {target.id}, and it was not taken back there: the run that "
            f"sent it died before Telegram answered. `broadcast show {target.id} --pending` names "
            "them"
        )
    return code


def _confirmed(question: str) -> bool:
    from broadcast import terminal as console  # noqa: PLC0415

    if click.confirm(question, err=True):
        return True
    console.say("nothing was sent")
    return False
