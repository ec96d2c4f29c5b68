"""All that a person or a program sees of a run; it decides nothing about it.

The only importer of rich, which is slow to import: the command line imports this when it runs, and
each name here brings what it needs when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from broadcast.terminal.broadcasts import show_broadcast, show_broadcasts
    from broadcast.terminal.deliveries import show_canary, show_records, show_result, write_csv
    from broadcast.terminal.planned import (
        show_cost,
        show_dry_run,
        show_inbox,
        show_problems,
        show_question,
    )
    from broadcast.terminal.preview import headline, show_preview
    from broadcast.terminal.progress import Watching, watcher
    from broadcast.terminal.rehearsal import Rehearsing, show_rehearsal
    from broadcast.terminal.scheduled import show_not_yet
    from broadcast.terminal.streams import Output, can_ask, require_reader, say

_HOMES = {
    "broadcast.terminal.broadcasts": (
        "show_broadcast",
        "show_broadcasts",
    ),
    "broadcast.terminal.deliveries": (
        "show_canary",
        "show_records",
        "show_result",
        "write_csv",
    ),
    "broadcast.terminal.planned": (
        "show_cost",
        "show_dry_run",
        "show_inbox",
        "show_problems",
        "show_question",
    ),
    "broadcast.terminal.preview": (
        "headline",
        "show_preview",
    ),
    "broadcast.terminal.progress": (
        "Watching",
        "watcher",
    ),
    "broadcast.terminal.rehearsal": (
        "Rehearsing",
        "show_rehearsal",
    ),
    "broadcast.terminal.scheduled": ("show_not_yet",),
    "broadcast.terminal.streams": (
        "Output",
        "can_ask",
        "require_reader",
        "say",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Output",
    "Rehearsing",
    "Watching",
    "can_ask",
    "headline",
    "require_reader",
    "say",
    "show_broadcast",
    "show_broadcasts",
    "show_canary",
    "show_cost",
    "show_dry_run",
    "show_inbox",
    "show_not_yet",
    "show_preview",
    "show_problems",
    "show_question",
    "show_records",
    "show_rehearsal",
    "show_result",
    "watcher",
    "write_csv",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'broadcast.terminal' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(_HOME_OF[name]), name)
