"""What somebody asks for, as values: no click, no HTTP, and nothing checked yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from broadcast.service.options import RunOptions

if TYPE_CHECKING:
    from pathlib import Path

    from broadcast.core.model import Action, Message
    from broadcast.people.audience import Audience


@dataclass(frozen=True, slots=True)
class AudienceRequest:
    """Who is chosen. `to` and `exclude` are selectors, `encoding` is that of the list, or None.

    Without `path` the first contact list that is found in the usual places. `chosen` is the
    choice itself, where a program has made it.
    """

    path: Path | None = None
    to: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    encoding: str | None = None
    chosen: Audience | None = None


@dataclass(frozen=True, slots=True)
class SendRequest:
    """A message for an audience. Under the key `once` it is sent once, however often asked for.

    With `include_new` also to those who were added to the list since it was sent under that key.
    `confirmed` answers the questions of the plan beforehand.
    """

    message: Message
    audience: AudienceRequest = field(default_factory=AudienceRequest)
    options: RunOptions = field(default_factory=RunOptions)
    once: str | None = None
    include_new: bool = False
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class TestRequest:
    """`request`, for `peer` alone: as the first of its audience would get it, and at once."""

    request: SendRequest
    peer: str = "me"


@dataclass(frozen=True, slots=True)
class ResumeRequest:
    """Go on with the broadcast whose id begins with `id`; None: the last one that is unfinished.

    With `now` without waiting for its time.
    """

    id: str | None = None
    options: RunOptions = field(default_factory=RunOptions)
    now: bool = False


@dataclass(frozen=True, slots=True)
class RetryRequest:
    """Try the failed again; with `insist` also those where it can hardly help."""

    id: str | None = None
    options: RunOptions = field(default_factory=RunOptions)
    insist: bool = False


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """Edit or recall the broadcast whose id begins with `id`; `message` is an edit's new one.

    Without an id the one that runs, or the only one that is unfinished or scheduled.
    """

    id: str | None
    action: Action
    message: Message | None = None
    options: RunOptions = field(default_factory=RunOptions)
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class DueRequest:
    """Send what is due; with `wait` stay until nothing is scheduled any more."""

    options: RunOptions = field(default_factory=RunOptions)
    wait: bool = False
