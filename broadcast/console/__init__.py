"""All that a person or a program sees of a run; it decides nothing about it.

The only importer of rich, which is slow to import: the command line imports this when it runs.
"""

from broadcast.console.broadcasts import show_broadcast, show_broadcasts
from broadcast.console.deliveries import show_canary, show_records, show_result, write_csv
from broadcast.console.plan import show_cost, show_dry_run, show_inbox, show_problems, show_question
from broadcast.console.preview import headline, show_preview
from broadcast.console.progress import Watching, watcher
from broadcast.console.rehearsal import Rehearsing, show_rehearsal
from broadcast.console.scheduled import show_not_yet
from broadcast.console.terminal import Output, can_ask, require_reader, say

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
