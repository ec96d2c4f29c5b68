"""The message as one recipient gets it; it sends nothing by itself, and opens no file."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import fields, replace
from functools import cache
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from broadcast.core.errors import MessageError, Problem
from broadcast.core.model import NO_OVERRIDES, Action, Button, Delivery, Failed, Message
from broadcast.message.placeholders import fill
from broadcast.message.schema import ContentError, require_button, require_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from broadcast.core.model import Contact, Outcome

    Render = Callable[[str, Mapping[str, object]], tuple[str, tuple[str, ...]]]


def personal(message: Message, contact: Contact, now: datetime) -> Message:
    """`message` with what the contact has otherwise, rendered for them. Raises MessageError.

    It is `message` itself where nothing is personal, so that all who get the same share one.
    """
    origin = message
    if contact.overrides:
        origin, message = None, replace(message, **_in_place_of(message, contact.overrides))
    if not message.template:
        return message
    render, names_of = _jinja()
    names = names_of(contact, now)
    text, values = render(message.text, names)
    head = (text, message.format, False)
    made = Message(*head, *_UNCHANGED(message), values=values, origin=origin)
    return replace(made, buttons=_rendered(made.buttons, names)) if made.buttons else made


@cache
def _jinja() -> tuple[Render, Callable[[Contact, datetime], dict[str, object]]]:
    """What renders, and the names for it: loaded where a template is, as Jinja is slow to load."""
    from broadcast.message.templates import names_of, template  # noqa: PLC0415

    return lambda text, names: template(text).render(names), names_of


# `replace` takes twice as long, and both are done for every message of a template.
_UNCHANGED = attrgetter(*(field.name for field in fields(Message)[3:-2]))
_AFTER_MESSAGE = attrgetter(*(field.name for field in fields(Delivery)[4:]))


def _rendered(rows: Sequence[Sequence[Button]], names: Mapping[str, object]) -> tuple[Any, ...]:
    """The buttons for one recipient: nothing in them is markup, so the values are put in at once.

    Raises MessageError, also for a button that Telegram would refuse.
    """
    from broadcast.message.templates import template  # noqa: PLC0415 - as above

    def made(written: str) -> str:
        return fill(*template(written).render(names)).strip() if "{" in written else written

    def button(written: Button) -> Button:
        with _about(written):
            found = Button(made(written.text), made(written.url))
            require_button(found)
            return found

    return tuple(tuple(map(button, row)) for row in rows)


@contextmanager
def _about(button: Button) -> Generator[None]:
    """What is wrong with the button, or with its template, is told as a MessageError of it."""
    try:
        yield
    except MessageError as error:
        raise MessageError(f"the button {button.text!r}: {error}") from None
    except ContentError as error:
        raise MessageError(f"{error.key} {error}; nothing was sent") from None


def _in_place_of(message: Message, overrides: Mapping[str, object]) -> dict[str, Any]:
    """The fields that are others for one contact: a forward of their own leaves out everybody's
    text, and a text or file of their own everybody's forward.
    """
    if "forward" in overrides:
        nothing = {"text": "", "files": (), "buttons": (), "template": False, "split": False}
        return {**nothing, **overrides}
    if message.forward is not None and ("text" in overrides or "files" in overrides):
        return {"forward": None, **overrides}
    return dict(overrides)


class PersonalGate:
    """Makes of each delivery what its recipient is to get.

    `now` is a fixed moment, that for which `problems` found none: a resumed broadcast then says
    the same as the run before.
    """

    def __init__(self, now: datetime) -> None:
        self._now = now

    def before(self, delivery: Delivery) -> Delivery | Outcome:
        """See `Gate.before`."""
        contact = delivery.contact
        is_personal = delivery.message.template or contact.overrides
        if not is_personal or delivery.action is Action.RECALL:
            return delivery
        if delivery.action is Action.EDIT:  # what replaces the text, replaces theirs, too
            contact = replace(contact, overrides=NO_OVERRIDES)
        try:
            message = personal(delivery.message, contact, self._now)
        except MessageError as error:
            return Failed("TEMPLATE_INVALID", str(error).removesuffix("; nothing was sent"))
        if message is delivery.message:
            return delivery
        who = (delivery.broadcast, delivery.position, delivery.contact)
        return Delivery(*who, message, *_AFTER_MESSAGE(delivery))

    def after(self, delivery: Delivery, outcome: Outcome) -> Outcome:
        """See `Gate.after`."""
        return outcome


def problems(
    message: Message,
    contacts: Iterable[Contact],
    now: datetime,
    check: Callable[[Message], None],
    source: str,
) -> Iterator[Problem]:
    """Render the message for everybody, and yield who cannot get it, with their line in `source`.

    Raises MessageError when the template itself is wrong: that concerns everybody.
    """
    if message.template:
        from broadcast.message.templates import template  # noqa: PLC0415 - as above

        template(message.text)
        for button in chain.from_iterable(message.buttons):
            with _about(button):
                template(button.text)
                template(button.url)
    checked: Message | None = None
    for contact in contacts:
        try:
            made = personal(message, contact, now)
            if contact.overrides:
                require_whole(made)
            if made is not checked:
                check(made)
        except (MessageError, ContentError) as error:
            who = contact.name or contact.peer.text
            key = f"message: {error.key} " if isinstance(error, ContentError) else ""
            told = key + str(error).replace("; nothing was sent", "")
            yield Problem(source, contact.line, f"{who}: {told}")
        else:
            checked = made
