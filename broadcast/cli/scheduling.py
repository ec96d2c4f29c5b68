"""The command that sends what is due, and how to take back what lies in Telegram's own schedule.

A person's messages are kept by Telegram until their time; a bot's by the ledger, as bots cannot
schedule there (https://core.telegram.org/api/scheduled-messages). Those need a process then:
`broadcast run-due`, from cron or a timer, or with `--wait` one that stays.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from broadcast.cli import sending
from broadcast.cli.parsing import DONE, HALTED, INTERRUPTED, LOCKED, SOME_FAILED, USAGE, cli
from broadcast.cli.running import run, run_options, settings_for, taking_up
from broadcast.core.errors import HaltedError, InputError, LockedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadcast.core.model import Broadcast
    from broadcast.ledger.sqlite.ledger import SqliteLedger
    from broadcast.settings import Settings

WORSE = (DONE, SOME_FAILED, LOCKED, HALTED, USAGE, INTERRUPTED)
"""The exit codes, the worst last: what a person has to mend is worse than what time mends."""

LOOK = 30.0
"""Seconds after which a waiting process looks again at most: others schedule and cancel meanwhile,
and a machine that slept has lost count of the time."""

AGAIN_AFTER = timedelta(minutes=1)
"""How long a waiting process leaves a broadcast alone that has stopped, such as by an outage."""


@cli.command("run-due")
@click.option("--wait", is_flag=True, help="Stay until nothing is scheduled any more.")
@run_options
def run_due(*, wait: bool, **given: Any) -> int:
    """Send every broadcast whose time has come, one after another; for cron, or a timer.

    When nothing is due it says nothing and exits with 0; else with the worst code of all. What a
    run was stopped by for good waits for `broadcast resume`.
    """
    from broadcast import app  # noqa: PLC0415 - `--help` needs neither
    from broadcast import terminal as console  # noqa: PLC0415 - `--help` needs neither

    console.require_reader()
    settings = settings_for(given)
    with app.open_ledger(settings, sandbox=given["sandbox"]) as ledger:
        rounds = _Rounds(settings, ledger, given)
        rounds.send_due()
        while wait and not rounds.is_interrupted and (until := rounds.next_moment()) is not None:
            time.sleep(min(max((until - _now()).total_seconds(), 0.0), LOOK))
            rounds.send_due()
    return rounds.worst


class _Rounds:
    """Sends what is due, as often as it is asked to; `worst` is the worst exit code until now."""

    def __init__(self, settings: Settings, ledger: SqliteLedger, given: dict[str, Any]) -> None:
        self.worst = DONE
        self._settings, self._ledger, self._given = settings, ledger, given
        self._not_before: dict[str, datetime] = {}  # of what has stopped
        self._refused: set[str] = set()

    @property
    def is_interrupted(self) -> bool:
        """Whether somebody has asked to stop."""
        return self.worst == INTERRUPTED

    def send_due(self) -> None:
        """Send all that is due now."""
        for broadcast in self._due():
            code = self._send(broadcast)
            self.worst = max(self.worst, code, key=WORSE.index)
            if self.is_interrupted:
                return
            self._not_before[broadcast.id] = _now() + AGAIN_AFTER

    def next_moment(self) -> datetime | None:
        """When to look again; None when nothing is left that time brings."""
        moments = [self._not_before.get(each.id, _now()) for each in self._due(also_later=True)]
        next_one = self._ledger.next_moment(_now())
        return min([*moments, *([next_one] if next_one else [])], default=None)

    def _due(self, *, also_later: bool = False) -> Sequence[Broadcast]:
        """What is due; `also_later` with what has just stopped."""
        now = _now()
        return [
            broadcast
            for broadcast in self._ledger.due(now)
            if self._is_ours(broadcast)
            and broadcast.id not in self._refused
            and (also_later or self._not_before.get(broadcast.id, now) <= now)
        ]

    def _is_ours(self, broadcast: Broadcast) -> bool:
        """Not of another account that uses this ledger: a `run-due` of its own sends that."""
        if self._given["sandbox"]:
            return True
        credentials, server = self._settings.credentials, self._settings.server
        bot = credentials.bot_id if credentials else None
        here = None if server is None else str(server)
        return broadcast.account is None or (broadcast.account, broadcast.server) == (bot, here)

    def _send(self, broadcast: Broadcast) -> int:
        """One of them. What is wrong with it must not keep the others from their time."""
        from broadcast import terminal as console  # noqa: PLC0415

        try:
            make = taking_up(broadcast)
            return run(self._settings, self._ledger, self._given, make, account=broadcast.account)
        except LockedError:
            return DONE  # another process has just begun to send it
        except HaltedError as error:
            console.say(f"{broadcast.id}: {error}")
            return HALTED
        except InputError as error:
            console.say(f"{broadcast.id}: {error}")
            self._refused.add(broadcast.id)
            return USAGE


def _now() -> datetime:
    return datetime.now(UTC)


def lies_at_telegram(ledger: SqliteLedger, broadcast: Broadcast) -> bool:
    """Whether messages of it are in Telegram's schedule now, as far as the ledger knows."""
    schedule = broadcast.schedule
    return (
        schedule is not None
        and schedule.at_telegram
        and _now() < schedule.last
        and (broadcast.counts.sent > 0 or bool(ledger.in_doubt(broadcast)))
        and ledger.standing(broadcast).recall is None
    )


def take_back(identity: str, *, sandbox: bool, yes: bool, **account: str | None) -> int:
    """Run `broadcast recall` on it, as the same account: what lies at Telegram is deleted."""
    arguments = [identity]
    arguments += ["--sandbox"] if sandbox else []
    arguments += ["--yes"] if yes else []
    for name, value in account.items():
        if value is not None:
            arguments += [f"--{name.replace('_', '-')}", value]
    here = click.get_current_context()
    with sending.recall.make_context("recall", arguments, parent=here) as context:
        return sending.recall.invoke(context)
