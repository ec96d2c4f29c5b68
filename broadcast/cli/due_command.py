"""The command that sends what is due: from cron, or as a process that stays."""

from __future__ import annotations

from typing import Any

import click

from broadcast.cli.parsing import DONE, HALTED, INTERRUPTED, LOCKED, SOME_FAILED, USAGE, cli, place
from broadcast.cli.run_options import options_of, run_options
from broadcast.cli.running import (
    awaited,
    exit_code,
    exit_code_of,
    open_service,
    stop_on_signals,
)

WORSE = (DONE, SOME_FAILED, LOCKED, HALTED, USAGE, INTERRUPTED)
"""The exit codes, the worst last: what a person must fix is worse than what passes by itself."""


@cli.command("run-due")
@click.option("--wait", is_flag=True, help="Keep running until nothing is scheduled any more.")
@run_options
@awaited
async def run_due(*, wait: bool, **given: Any) -> int:
    """Send every broadcast whose time has come, one after another; for cron, or a timer.

    When nothing is due it prints nothing and exits with 0; else with the worst code of all. A
    broadcast that a person has to look at first, such as after PEER_FLOOD, waits for
    `broadcast resume`.
    """
    from broadcast.service.reports import Report
    from broadcast.service.requests import DueRequest
    from broadcast.terminal.deliveries import show_result
    from broadcast.terminal.progress import TerminalReporter
    from broadcast.terminal.steps import worded_error
    from broadcast.terminal.streams import require_reader, say

    require_reader()
    worst = DONE
    reporter = TerminalReporter(as_json=given["json"], quiet=given["quiet"])
    async with open_service(given) as service:
        with stop_on_signals(reporter.stop):
            request = DueRequest(options_of(given), wait)
            async for result in service.send_due(request, reporter):
                if isinstance(result, Report):
                    shown = {"as_json": given["json"], "quiet": given["quiet"]}
                    await show_result(result, reporter.output, place=place(), **shown)
                    code = exit_code(result)
                else:
                    whose = f"{result.broadcast.id}: " if result.broadcast else ""
                    say(f"{whose}{worded_error(result.error, place())}")
                    code = exit_code_of(result.error)
                worst = max(worst, code, key=WORSE.index)
    return worst
