"""What one contact gets in place of what the others get, before anything is filled in.

A contact's `overrides` are fields of `Message`. Whoever needs to know what they change asks here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broadcast.core.model import Contact, Message, When

_EMPTY: Mapping[str, Any] = {
    "text": "",
    "files": (),
    "buttons": (),
    "template": False,
    "split": False,
}


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


def own_when(when: When | None, contact: Contact) -> When | None:
    """When the message goes out to `contact`, where `when` is the time of all others."""
    return cast("When | None", contact.overrides.get("when", when))


def as_edited(contact: Contact) -> Contact:
    """The contact as an edit finds them: the new text replaces their own text, too.

    Only their own files stay, because an edit changes none: the new text is the caption of those.
    """
    if not contact.overrides:
        return contact
    files = {name: value for name, value in contact.overrides.items() if name == "files"}
    return replace(contact, overrides=files)
