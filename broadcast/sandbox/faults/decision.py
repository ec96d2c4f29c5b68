"""Decides which request a fault hits, and how; the server carries it out.

Faults hit requests that write (sendMessage, sendMedia, editMessage, deleteMessages and their
like, but not the parts of files), which are counted from the moment the faults are switched on.
Nothing is left to chance unless there is a `seed`.
"""

# Telethon ships no stubs; pyright reads its source.
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from enum import Enum
from random import Random
from typing import TYPE_CHECKING

from telethon.tl import functions

if TYPE_CHECKING:
    from telethon.tl import TLRequest

    from broadcast.sandbox.faults.switches import Faults
    from broadcast.sandbox.memory.arrived import Delivered

COUNTED: tuple[type[TLRequest], ...] = (
    functions.messages.SendMessageRequest,
    functions.messages.SendMediaRequest,
    functions.messages.SendMultiMediaRequest,
    functions.messages.ForwardMessagesRequest,
    functions.messages.UploadMediaRequest,
    functions.messages.UpdatePinnedMessageRequest,
    functions.messages.SendScheduledMessagesRequest,
    functions.messages.DeleteScheduledMessagesRequest,
    functions.messages.EditMessageRequest,
    functions.messages.DeleteMessagesRequest,
    functions.channels.DeleteMessagesRequest,
)
"""The requests that faults can hit."""

ERROR_500 = (500, "RPC_CALL_FAIL")
ERROR_DUPLICATE = (500, "RANDOM_ID_DUPLICATE")


class Ending(Enum):
    """What the client sees of a request."""

    ANSWERED = "answered"
    SILENT = "silent"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Action:
    """What happens to one request; the durations are in seconds.

    `is_done`: the world gets it. `error`: the answer in place of the result. `late`: how long the
    answer waits. `freeze` and `refuse`: what happens to the whole server afterwards.
    """

    is_done: bool = True
    error: tuple[int, str] | None = None
    ending: Ending = Ending.ANSWERED
    late: float = 0.0
    freeze: float = 0.0
    refuse: float = 0.0


AS_USUAL = Action()

_EVERY_NTH = {
    "drop_before": Action(is_done=False, ending=Ending.DROPPED),
    "error_500": Action(is_done=False, error=ERROR_500),
    "drop_after": Action(ending=Ending.DROPPED),
    "error_500_after": Action(error=ERROR_500),
    "silent": Action(ending=Ending.SILENT),
}


class Decider:
    """Counts requests, and decides for each."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._count = 0
        self._repeats: Counter[tuple[int, int, int]] = Counter()
        self._random = None if faults.seed is None else Random(faults.seed)

    @property
    def wants_repeats(self) -> bool:
        """Whether `next` needs to know which message a request sends again."""
        return self.faults.duplicate is not None

    def next(self, now: float, repeated: Delivered | None = None) -> Action:
        """What happens to the next request; `repeated` is the message that it sends again."""
        self._count += 1
        action = self._next(now, repeated)
        freeze, refuse = self.faults.freeze, self.faults.refuse_connections
        if freeze and self._count == freeze.after:
            action = replace(action, freeze=freeze.seconds)
        if refuse and self._count == refuse.after:
            action = replace(action, ending=Ending.DROPPED, refuse=refuse.seconds)
        return action

    def _next(self, now: float, repeated: Delivered | None) -> Action:
        faults = self.faults
        for name, action in _EVERY_NTH.items():
            if self._hits(getattr(faults, name)):
                return action
        late = faults.late.seconds if faults.late and self._hits(faults.late.every) else 0.0
        error = repeated is not None and self._is_duplicate(repeated, now)
        if not late and not error:
            return AS_USUAL
        return Action(is_done=not error, error=ERROR_DUPLICATE if error else None, late=late)

    def _hits(self, every: int | None) -> bool:
        if every is None:
            return False
        if self._random is not None:
            return self._random.randrange(every) == 0
        return self._count % every == 0

    def _is_duplicate(self, first: Delivered, now: float) -> bool:
        duplicate = self.faults.duplicate
        if duplicate is None or duplicate.answer == "first":
            return False
        if duplicate.seconds is not None:
            return now - first.date < duplicate.seconds
        key = first.sender, first.peer, first.message_id
        self._repeats[key] += 1
        return self._repeats[key] <= (duplicate.times or 0)
