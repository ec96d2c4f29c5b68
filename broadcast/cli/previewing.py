"""The command that shows what would be sent, and sends it to oneself at most."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from broadcast.cli.content import content_options, message_of
from broadcast.cli.parsing import DONE, cli
from broadcast.cli.running import run, run_options, settings_for
from broadcast.cli.sending import audience_of, audience_options

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broadcast.core.model import Contact, Message


@cli.command()
@click.argument("message", nargs=-1)
@audience_options
@click.option(
    "--test", is_flag=True, help="Send it to yourself, as the first of them would get it."
)
@click.option("--test-peer", metavar="PEER", help="Send it to PEER instead of yourself.")
@content_options()
@run_options
def preview(message: tuple[str, ...], **given: Any) -> int:
    """Show what each of the contacts would get, as Telegram would show it; nothing is sent.

    With --test it goes to yourself alone, as the first of the chosen contacts would get it (a bot
    has no chat with itself: name somebody with --test-peer). It is sent at once, also with --at.
    """
    from broadcast import app  # noqa: PLC0415 - `--help` needs neither
    from broadcast import terminal as console  # noqa: PLC0415 - `--help` needs neither
    from broadcast.message.personal import personal  # noqa: PLC0415
    from broadcast.people.audience import Audience  # noqa: PLC0415

    console.require_reader()
    body = message_of(message, given)
    is_test = given["test"] or given["test_peer"] is not None
    settings = settings_for({**given, "dry_run": not is_test})
    contacts = audience_of(settings, given, body)
    if not is_test:
        now = datetime.now(UTC)
        console.show_preview(
            ((contact, personal(body, contact, now)) for contact in contacts),
            as_json=given["json"],
        )
        return DONE
    body, tester = _for_tester(body, contacts, given["test_peer"] or "me")
    with app.open_ledger(settings, sandbox=given["sandbox"]) as ledger:
        make = partial(app.make, ledger, body, Audience([tester]))
        return run(settings, ledger, given, make, contacts=[tester])


def _for_tester(body: Message, contacts: Iterable[Contact], peer: str) -> tuple[Message, Contact]:
    """The message as the first contact would get it, and that contact at the tester's address."""
    from broadcast.core.peers import PeerError, parse_peer  # noqa: PLC0415

    try:
        tester = replace(next(iter(contacts)), peer=parse_peer(peer))
    except PeerError as error:
        raise click.UsageError(f"--test-peer: {error}; nothing was sent") from error
    overrides = {name: it for name, it in tester.overrides.items() if name not in ("when", "late")}
    return replace(body, when=None, late=None), replace(tester, overrides=overrides)
