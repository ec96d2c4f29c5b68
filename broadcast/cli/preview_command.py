"""The command that shows the messages before they are sent, or sends one to yourself."""

from __future__ import annotations

from typing import Any

import click

from broadcast.cli.message import content_options, message_of
from broadcast.cli.parsing import DONE, cli, refuse_idle
from broadcast.cli.run_options import NOT_PLANNED, run_options
from broadcast.cli.running import awaited, open_service
from broadcast.cli.send_commands import audience_options, send_plan, send_request


@cli.command()
@click.argument("message", nargs=-1)
@audience_options
@click.option(
    "--test", is_flag=True, help="Send it to yourself, as the first contact would get it."
)
@click.option("--test-peer", metavar="PEER", help="Send it to PEER instead of yourself.")
@content_options()
@run_options
@awaited
async def preview(message: tuple[str, ...], **given: Any) -> int:
    """Show what each of the contacts would get, as Telegram would show it; nothing is sent.

    With --test it goes to yourself alone, as the first of the chosen contacts would get it (a bot
    has no chat with itself: name somebody with --test-peer). It is sent at once, also with --at.
    """
    from broadcast.service.requests import TestRequest
    from broadcast.terminal.planned import show_doubts, show_remarks
    from broadcast.terminal.preview import show_preview
    from broadcast.terminal.streams import require_reader

    require_reader()
    request = send_request(message_of(message, given), given)
    is_test = given["test"] or given["test_peer"] is not None
    if not is_test:
        refuse_idle("preview", *NOT_PLANNED, "rate", "paid", "stars_budget")
    async with open_service(given, read_only=not is_test) as service:
        if is_test:
            plan = await service.plan_test(TestRequest(request, given["test_peer"] or "me"))
            return await send_plan(service, plan, given)
        plan = await service.plan(request)
        show_remarks(plan)
        show_doubts(plan)
        show_preview(plan.previews(), as_json=given["json"])
        return DONE
