"""Shows a list of broadcasts, one line each, or one broadcast in detail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from broadcast.core.model import Action
from broadcast.report.json_rows import broadcast_row
from broadcast.terminal.deliveries import counted
from broadcast.terminal.preview import headline
from broadcast.terminal.scheduled import state_in_words
from broadcast.terminal.streams import json_line, reader_may_leave, say
from broadcast.terminal.tables import Table, stdout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadcast.core.model import Broadcast
    from broadcast.service.reports import Stopped


def show_broadcasts(
    broadcasts: Sequence[Broadcast], *, as_json: bool, none: str = "nothing was sent yet"
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
        recalled = {each.target for each in broadcasts if each.action is Action.RECALL}
        for broadcast in broadcasts:
            counts = broadcast.counts
            table.add(
                broadcast.id,
                f"{broadcast.created_at.astimezone():%Y-%m-%d %H:%M}",
                broadcast.action,
                state_in_words(broadcast, recalled=broadcast.number in recalled),
                *(str(n) for n in (counts.sent, counts.failed, counts.pending + counts.skipped)),
                Text(headline(broadcast.message)),
            )
        table.show()


def show_stopped(stopped: Stopped) -> None:
    """Show a broadcast after it was asked to stop."""
    broadcast, recall = stopped.broadcast, stopped.recall
    if stopped.nothing_to_stop:
        how = f"is {broadcast.state}" if recall is None else f"was recalled by {recall.id}"
        say(f"nothing to stop: {broadcast.id} {how} already")
    show_broadcast(broadcast, recall=recall, as_json=False)


def show_broadcast(broadcast: Broadcast, *, recall: Broadcast | None, as_json: bool) -> None:
    """Show one broadcast: its text, how far it is, who runs it, why it stopped."""
    with reader_may_leave():
        if as_json:
            print(json_line(broadcast_row(broadcast)))
            return
        out = stdout()
        rows = [
            ("id", broadcast.id),
            ("what", f"{broadcast.action}: {headline(broadcast.message)}"),
            ("made", f"{broadcast.created_at.astimezone():%Y-%m-%d %H:%M:%S}"),
            ("state", state_in_words(broadcast, recalled=recall is not None)),
            ("so far", counted(broadcast.counts, broadcast.action)),
            ("runs in", broadcast.owner),
            ("stopped", broadcast.halted and broadcast.halted.reason),
            ("key", broadcast.once),
            ("recalled", recall and f"by {recall.id}"),
        ]
        for name, value in rows:
            if value:
                out.print(Text(f"{name:<9} {value}"))
