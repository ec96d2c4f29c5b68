"""What may be sent again: the same message, or under the key of an earlier broadcast.

It is decided on values, as in lifecycle.py; it looks nothing up.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

from broadcast.core.counted import have_it
from broadcast.core.errors import InputError, LockedError, NextStep
from broadcast.core.model import Action, Message, Selection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broadcast.core.model import Broadcast


def require_no_twin(message: Message, unfinished: Iterable[Broadcast]) -> None:
    """Raise when one of the `unfinished` has the very same `message`: to send it anew would reach
    some people twice. LockedError when a process is sending that one just now.
    """
    for other in unfinished:
        if other.action is Action.SEND and other.message == message:
            raise _twin(other)


def _twin(other: Broadcast) -> InputError | LockedError:
    """Why the message of `other` cannot be sent anew."""
    if other.owner is not None:
        return LockedError(
            f"broadcast {other.id} with this very text is being sent by {other.owner}, "
            f"{have_it(other.counts)}",
            NextStep("status", other.id, ("--watch",), "shows it"),
            code="SAME_RUNNING",
        )
    return InputError(
        f"broadcast {other.id} with this very text is unfinished, {have_it(other.counts)}; "
        "nothing was sent",
        NextStep("resume", other.id, purpose="goes on with it"),
        NextStep("cancel", other.id, purpose="gives it up, and then it can be sent anew"),
        code="SAME_UNFINISHED",
    )


def require_same_message(broadcast: Broadcast, message: Message) -> None:
    """Raise InputError, showing both, when `broadcast` says something else than `message`.

    When it says so does not matter: `--in 2h` is another moment each time.
    """
    then, now = (replace(each, when=None, late=None) for each in (broadcast.message, message))
    if then != now:
        names = [f.name for f in fields(Message) if getattr(then, f.name) != getattr(now, f.name)]
        others = [name.replace("_", " ") for name in names if name not in {"text", "format"}]
        also = f"\n  they differ in: {', '.join(others)}" if others else ""
        raise InputError(
            f"the key {broadcast.once} was used for another message, broadcast "
            f"{broadcast.id}; nothing was sent.\n"
            f"  then ({then.format}): {then.text}\n"
            f"  now  ({now.format}): {now.text}{also}\nUse another key for another message",
            code="KEY_USED",
        )


def require_same_selection(broadcast: Broadcast, selection: Selection | None) -> None:
    """Raise InputError when the audience of `broadcast` was chosen by other selectors.

    What another list comes to is decided by the people in it. Where nobody knows how they were
    chosen they alone decide, too.
    """
    then = broadcast.selection
    if then and selection and (then.to, then.exclude) != (selection.to, selection.exclude):
        raise other_audience(broadcast, selection)


def other_audience(broadcast: Broadcast, selection: Selection) -> InputError:
    """The key of `broadcast` is used again, for people who are chosen in another way."""
    then = broadcast.selection or Selection()
    return InputError(
        f"the key {broadcast.once} was used for another audience, broadcast {broadcast.id}; "
        f"nothing was sent.\n  then: {_in_words(then)}\n  now:  {_in_words(selection)}\n"
        "Use another key for another audience",
        NextStep("show", broadcast.id, purpose="shows who has it"),
        code="ONCE_OTHER_AUDIENCE",
    )


def _in_words(selection: Selection) -> str:
    """How somebody was chosen, for a person; the selectors as they are compared."""
    words = [f"--to {each}" for each in selection.to] or ["everybody"]
    words += [f"--exclude {each}" for each in selection.exclude]
    return " ".join([*words, *(["in", selection.path] if selection.path else [])])
