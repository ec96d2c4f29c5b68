"""The options of every command that writes to people: its pace, its limits, its account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from broadcast.cli.parsing import account_options, json_option, options, sandbox_option
from broadcast.cli.values import Duration, Rate, Whole

if TYPE_CHECKING:
    from broadcast.service.options import RunOptions

NOT_PLANNED = ("concurrency", "canary", "max_failures", "max_wait", "patience", "quiet")
"""The options that make no difference to what a plan says."""

run_options = options(
    sandbox_option,
    click.option(
        "--rate",
        type=Rate(),
        metavar="N|max",
        help="Messages a second at most. [default: learned; 30 for a bot, 1 for a person at first]",
    ),
    click.option(
        "--concurrency",
        type=Whole(1, 1000),
        help="Requests under way at once. [default: what the rate needs, 20 or more]",
    ),
    click.option(
        "--canary",
        type=Whole(1),
        metavar="N",
        help="Send to N first, and go on only when few of them failed.",
    ),
    click.option(
        "--max-failures",
        type=Whole(1, 100, unit="%"),
        metavar="PERCENT",
        default=50,
        show_default=True,
        help="Stop when more fail than this; 100 never stops.",
    ),
    click.option(
        "--max-wait",
        type=Duration(),
        metavar="TIME",
        default="15m",
        show_default=True,
        help="Stop when Telegram asks for a longer wait; `broadcast resume` goes on.",
    ),
    click.option(
        "--patience",
        type=Duration(),
        metavar="TIME",
        default="10m",
        show_default=True,
        help="Stop after so long without a connection; `broadcast resume` goes on.",
    ),
    click.option(
        "--paid",
        is_flag=True,
        help="Bots only: up to 1000 a second, for 0.1 Star for each message above 30 a second.",
    ),
    click.option(
        "--stars-budget",
        type=Whole(1, example=500),
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


def options_of(given: dict[str, Any]) -> RunOptions:
    """The options of the command line as the service takes them."""
    from broadcast.service.options import RunOptions

    return RunOptions(
        rate=given["rate"],
        concurrency=given["concurrency"],
        canary=given["canary"],
        max_failures=given["max_failures"] / 100,
        max_wait=given["max_wait"],
        patience=given["patience"],
        paid=given["paid"],
        stars_budget=given["stars_budget"],
    )
