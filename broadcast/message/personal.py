"""The message as one contact gets it: with what is theirs, and rendered; it opens no file.

A contact's `overrides` are fields of `Message`. Whoever needs to know what they change asks here,
or for the time in when.py.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import fields, replace
from functools import cache
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast

from broadcast.core.errors import MessageError, Problem, unsent
from broadcast.core.model import Button, Message
from broadcast.message.cleaning import clean
from broadcast.message.placeholders import fill
from broadcast.message.schema import ContentError, require_button, require_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from broadcast.core.model import Contact
    from broadcast.message.templates import Template


_EMPTY: Mapping[str, Any] = {
    "text": "",
    "files": (),
    "buttons": (),
    "template": False,
    "split": False,
}


def personal(message: Message, contact: Contact, now: datetime) -> Message:
    """`message` for this contact: with their own settings, and rendered. Raises MessageError.

    It is `message` itself when nothing is personal, so that all who get the same share one.
    """
    own = own_message(message, contact)
    if not own.template:
        return own
    origin = own if own is message else None
    template, names_of = _jinja()
    names = names_of(contact, now)
    text, values = template(own.text).render(names)
    made = _filled_in(own, text, tuple([clean(value) for value in values]), origin)
    return replace(made, buttons=_rendered(made.buttons, names)) if made.buttons else made


def own_message(message: Message, contact: Contact) -> Message:
    """The message for `contact`, not rendered; `message` itself where they get what all get.

    A forward of their own leaves out everybody's text, and a text or file of their own leaves out
    everybody's forward.
    """
    own = contact.overrides
    if not own:
        return message
    left_out: Mapping[str, Any] = {}
    if "forward" in own:
        left_out = _EMPTY
    elif message.forward is not None and ("text" in own or "files" in own):
        left_out = {"forward": None}
    return replace(message, **{**left_out, **cast("Mapping[str, Any]", own)})


def as_edited(contact: Contact) -> Contact:
    """The contact as an edit finds them: the new text replaces their own text, too.

    Only their own files stay, because an edit changes none: the new text is the caption of those.
    """
    if not contact.overrides:
        return contact
    files = {name: value for name, value in contact.overrides.items() if name == "files"}
    return replace(contact, overrides=files)


@cache
def _jinja() -> tuple[Callable[[str], Template], Callable[[Contact, datetime], dict[str, object]]]:
    """The functions that render; Jinja is slow to import, so only a template imports it."""
    from broadcast.message.templates import names_of, template  # noqa: PLC0415

    return template, names_of


_NAMES = [field.name for field in fields(Message)]
_all_of = attrgetter(*_NAMES)
_TEXT, _TEMPLATE, _VALUES, _ORIGIN = map(_NAMES.index, ("text", "template", "values", "origin"))


def _filled_in(
    message: Message, text: str, values: tuple[str, ...], origin: Message | None
) -> Message:
    """`message` after rendering. `replace` takes 1.5 µs longer, and all of it takes 2.4 µs."""
    given: list[Any] = list(_all_of(message))
    given[_TEXT], given[_TEMPLATE] = text, False
    given[_VALUES], given[_ORIGIN] = values, origin
    return Message(*given)


def _rendered(rows: Sequence[Sequence[Button]], names: Mapping[str, object]) -> tuple[Any, ...]:
    """The buttons for one contact. They have no markup, so the values are filled in at once.

    Raises MessageError, also for a button that Telegram would refuse.
    """
    template, _ = _jinja()

    def made(written: str) -> str:
        return clean(fill(*template(written).render(names))).strip() if "{" in written else written

    def button(written: Button) -> Button:
        with _about(written):
            found = Button(made(written.text), made(written.url))
            require_button(found)
            return found

    return tuple(tuple(map(button, row)) for row in rows)


@contextmanager
def _about(button: Button) -> Generator[None]:
    """What is wrong inside is raised as a MessageError that names the button."""
    try:
        yield
    except MessageError as error:
        raise MessageError(f"the button {button.text!r}: {error}") from None
    except ContentError as error:
        raise MessageError(unsent(f"{error.key} {error}")) from None


def problems(
    message: Message,
    contacts: Iterable[Contact],
    now: datetime,
    check: Callable[[Message], None],
    source: str,
) -> Iterator[Problem]:
    """Render the message for everybody, and yield a Problem for each who cannot get it.

    Raises MessageError when the template itself is wrong, because that concerns everybody.
    """
    if message.template:
        template, _ = _jinja()
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
            key = f"message: {error.key} " if isinstance(error, ContentError) else ""
            told = key + str(error).replace("; nothing was sent", "")
            yield Problem(source, contact.line, f"{contact.called}: {told}")
        else:
            checked = made
