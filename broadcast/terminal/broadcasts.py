"""Shows a list of broadcasts, one line each, or one broadcast in detail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from broadcast.core.moments import local
from broadcast.report.json_rows import broadcast_row, tally
from broadcast.terminal.deliveries import counted
from broadcast.terminal.preview import headline
from broadcast.terminal.scheduled import sent_by, show_what_sends_them, state_in_words
from broadcast.terminal.streams import json_line, reader_may_leave, say
from broadcast.terminal.tables import Table, stdout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadcast.core.model import Broadcast
    from broadcast.service.reports import Stopped


def show_broadcasts(
    broadcasts: Sequence[Broadcast], *, as_json: bool, place: str, none: str
) -> None:
    """Show one line per broadcast, in the given order; `none` is the text for an empty list."""
    with reader_may_leave():
        if as_json:
            for broadcast in broadcasts:
                print(json_line(broadcast_row(broadcast)))
            return
        if not broadcasts:
            say(none)
            return
        columns = ("id", "made", "what", "state", "sent", "failed", "left", "text")
        table = Table(stdout(), *columns, whole=["id"])
        for broadcast in broadcasts:
            counts = tally(broadcast)
            left = counts["pending"] + counts["skipped"] + counts.get("scheduled", 0)
            table.add(
                broadcast.id,
                local(broadcast.created_at.replace(second=0, microsecond=0)),
                _what(broadcast),
                state_in_words(broadcast),
                *(str(n) for n in (counts["sent"], counts["failed"], left)),
                Text(headline(broadcast.message)),
            )
        table.show()
    show_what_sends_them(broadcasts, place)


def _what(broadcast: Broadcast) -> str:
    """What it does, and to which broadcast."""
    of = "" if broadcast.target_id is None else f" of {broadcast.target_id}"
    return f"{broadcast.action}{of}"


def show_standing(broadcast: Broadcast, place: str) -> None:
    """Say what the counts do not: that it was recalled, and by what, or when it goes out."""
    if broadcast.recalled is not None or sent_by(broadcast, place) is not None:
        say(f"{broadcast.id} is {state_in_words(broadcast)}")
    show_what_sends_them([broadcast], place)


def show_stopped(stopped: Stopped, place: str) -> None:
    """Show a broadcast after it was asked to stop."""
    broadcast, recalled = stopped.broadcast, stopped.broadcast.recalled
    if stopped.nothing_to_stop:
        how = f"is {broadcast.state}" if recalled is None else f"was recalled by {recalled.by}"
        say(f"nothing to stop: {broadcast.id} {how} already")
    show_broadcast(broadcast, as_json=False, place=place)


def show_broadcast(broadcast: Broadcast, *, as_json: bool, place: str) -> None:
    """Show one broadcast: its text, how far it is, who runs it, why it stopped."""
    with reader_may_leave():
        if as_json:
            print(json_line(broadcast_row(broadcast)))
            return
        out = stdout()
        rows = [
            ("id", broadcast.id),
            ("what", f"{_what(broadcast)}: {headline(broadcast.message)}"),
            ("made", local(broadcast.created_at.replace(microsecond=0))),
            ("state", state_in_words(broadcast)),
            ("sent by", sent_by(broadcast, place)),
            ("so far", counted(tally(broadcast), broadcast.action)),
            ("runs in", broadcast.owner),
            ("stopped", broadcast.halted and broadcast.halted.reason),
            ("key", broadcast.once),
        ]
        for name, value in rows:
            if value:
                out.print(Text(f"{name:<9} {value}"))
