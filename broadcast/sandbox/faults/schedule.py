"""What goes wrong in the sandbox, when it is asked to: it decides, and server.py does it.

The faults strike requests that write (sendMessage, sendMedia, editMessage, deleteMessages and their
like, but not the parts of files), which are counted from the moment the faults are switched on.
Nothing is left to chance unless there is a `seed`.
"""

# Telethon ships no stubs; pyright reads its source.
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from collections import Counter
from dataclasses import MISSING, dataclass, fields, replace
from enum import Enum
from math import isfinite
from random import Random
from typing import TYPE_CHECKING, Any, Literal, get_args

from telethon.tl import functions

from broadcast.core.errors import SettingsError
from broadcast.sandbox.mapping import Reader, line_of, number, parse_as, read_mapping, whole, word

if TYPE_CHECKING:
    import yaml
    from telethon.tl import TLRequest

    from broadcast.sandbox.world.state import Delivered

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
"""The requests that faults strike."""

ERROR_500 = (500, "RPC_CALL_FAIL")
ERROR_DUPLICATE = (500, "RANDOM_ID_DUPLICATE")

Repeats = Literal["first", "error"]


@dataclass(frozen=True, slots=True)
class Late:
    """Every n-th answer comes `seconds` late; the request itself is done at once."""

    every: int
    seconds: float

    def __post_init__(self) -> None:
        _check_count("every", self.every)
        _check_seconds(self.seconds)


@dataclass(frozen=True, slots=True)
class Pause:
    """Something that lasts `seconds`, once, from the n-th request on."""

    after: int
    seconds: float

    def __post_init__(self) -> None:
        _check_count("after", self.after)
        _check_seconds(self.seconds)


@dataclass(frozen=True, slots=True)
class Duplicate:
    """What a random_id that is used again gets: the first message, or RANDOM_ID_DUPLICATE.

    The error ends: `seconds` after the first message arrived, or with the n-th repeat (`times`).
    """

    answer: Repeats
    seconds: float | None = None
    times: int | None = None

    def __post_init__(self) -> None:
        if self.answer not in get_args(Repeats):
            raise ValueError(f"answer must be first or error, not {self.answer!r}")
        given = [value for value in (self.seconds, self.times) if value is not None]
        if self.answer == "first" and given:
            raise ValueError("the answer first lasts for ever: leave out seconds and times")
        if self.answer == "error" and len(given) != 1:
            raise ValueError("the answer error needs its end: either seconds or times")
        if self.seconds is not None:
            _check_seconds(self.seconds)
        if self.times is not None:
            _check_count("times", self.times)


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults that are switched on: all are off by default. A plain number means every n-th.

    Where several strike the same request, the first in this order does. `freeze` and
    `refuse_connections` come on top. With a `seed`, every n-th becomes one in n, drawn by lot: the
    same lots in every run.

    Raises ValueError, which says what is wrong.
    """

    drop_before: int | None = None
    """The connection is cut, and the request is not done."""
    error_500: int | None = None
    """Answered with 500, and not done."""
    drop_after: int | None = None
    """Done, and the connection is cut instead of an answer."""
    error_500_after: int | None = None
    """Done, and answered with 500 all the same."""
    silent: int | None = None
    """Done, and never answered."""
    late: Late | None = None
    """Done, and answered late."""
    duplicate: Duplicate | None = None
    """How a random_id that is used again is answered."""
    freeze: Pause | None = None
    """The whole server neither reads nor answers for a while; the n-th request is still done."""
    refuse_connections: Pause | None = None
    """After the n-th request every connection is cut, and new ones are for a while."""
    seed: int | None = None

    def __post_init__(self) -> None:
        for name in _PLAIN:
            count: int | None = getattr(self, name)
            if count is not None:
                _check_count(name, count)

    def __str__(self) -> str:
        """As in a file of faults, in one line; `none` when all are off."""
        on = [(field.name, getattr(self, field.name)) for field in fields(self)]
        return ", ".join(f"{name}: {_shown(v)}" for name, v in on if v is not None) or "none"


_PLAIN = ("drop_before", "error_500", "drop_after", "error_500_after", "silent")


class Ending(Enum):
    """What the client gets to see of a request."""

    ANSWERED = "answered"
    SILENT = "silent"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Action:
    """What becomes of one request; the durations are in seconds.

    `is_done`: the world gets to see it. `error`: what is answered instead of the result. `late`:
    how long the answer waits. `freeze` and `refuse`: what happens to the whole server afterwards.
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


class Schedule:
    """Counts requests, and tells what becomes of each."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._count = 0
        self._repeats: Counter[tuple[int, int, int]] = Counter()
        self._random = None if faults.seed is None else Random(faults.seed)

    @property
    def wants_repeats(self) -> bool:
        """Whether `next` must be told which message a request sends once more."""
        return self.faults.duplicate is not None

    def next(self, now: float, repeated: Delivered | None = None) -> Action:
        """What becomes of the next request, which sends the message `repeated` once more."""
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
            if self._strikes(getattr(faults, name)):
                return action
        late = faults.late.seconds if faults.late and self._strikes(faults.late.every) else 0.0
        error = repeated is not None and self._is_duplicate(repeated, now)
        if not late and not error:
            return AS_USUAL
        return Action(is_done=not error, error=ERROR_DUPLICATE if error else None, late=late)

    def _strikes(self, every: int | None) -> bool:
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


def parse_faults(text: str, source: str) -> Faults:
    """Read faults from YAML, or from JSON, which is YAML as well; nothing means that all are off.

    Raises SettingsError, which names `source`, the line and the key.
    """
    return parse_as(Faults, text, source, "the faults", _READERS)


def _parts(made: type[Late | Pause | Duplicate], **readers: Reader) -> Reader:
    def read(node: yaml.Node, source: str, key: str) -> Any:
        values = read_mapping(node, source, key, readers)
        for field in fields(made):
            if field.default is MISSING and field.name not in values:
                raise SettingsError(f"{source}:{line_of(node)}: {key}: {field.name} is missing")
        try:
            return made(**values)
        except ValueError as error:
            raise SettingsError(f"{source}:{line_of(node)}: {key}: {error}") from None

    return read


_READERS: dict[str, Reader] = {
    **dict.fromkeys((*_PLAIN, "seed"), whole),
    "late": _parts(Late, every=whole, seconds=number),
    "duplicate": _parts(Duplicate, answer=word, seconds=number, times=whole),
    "freeze": _parts(Pause, after=whole, seconds=number),
    "refuse_connections": _parts(Pause, after=whole, seconds=number),
}


def _shown(value: object) -> str:
    if not isinstance(value, Late | Pause | Duplicate):
        return str(value)
    parts = ((field.name, getattr(value, field.name)) for field in fields(value))
    return "{" + ", ".join(f"{name}: {part}" for name, part in parts if part is not None) + "}"


def _check_count(name: str, count: int) -> None:
    if count < 1:
        raise ValueError(f"{name} must be 1 or more, not {count}")


def _check_seconds(seconds: float) -> None:
    if not (isfinite(seconds) and seconds > 0):
        raise ValueError(f"seconds must be more than 0, not {seconds}")
