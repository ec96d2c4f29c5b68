"""A message as it is kept: values for JSON, and the id that `--once` makes of them.

What is kept is read again years later, so every value stands under the name of its field and never
under its place in a class.
"""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime
from json import dumps
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from broadcast.core.ids import once_id
from broadcast.core.model import (
    Attachment,
    Button,
    Format,
    Forward,
    LinkPreview,
    Media,
    Message,
    Peer,
    When,
)
from broadcast.core.peers import parse_peer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_BESIDE = frozenset({"text", "format"})
"""Fields that are kept beside the rest, in columns of their own."""

_NOT_KEPT = frozenset({"values", "origin", "literal"})
"""Fields that rendering fills in, which the body that is kept has not yet, and one that has done
its part when a broadcast is made."""


def once_identity(key: str, message: Message) -> str:
    """The id of the broadcast of `message` under a key of `--once`.

    It is made of the key and of what the message says, and so it is the same, and with it every
    `random_id`, when the ledger was lost in between. The order of the fields does not count, nor
    does a field with its usual value. A time does not count either: `--in 2h` is another moment
    each time.
    """
    more = pack(replace(message, when=None, late=None))
    content = dumps(more, sort_keys=True) if more else ""
    return once_id(key, f"{message.format}\0{message.text}{content}")


def pack(message: Message) -> dict[str, Any]:
    """All of `message` that is not as usual, for JSON; text and format stand beside it."""
    plain = type(message)(text="")
    names = {field.name for field in fields(message)} - _BESIDE - _NOT_KEPT
    given = {name: getattr(message, name) for name in sorted(names)}
    return pack_overrides(
        {name: value for name, value in given.items() if value != getattr(plain, name)}
    )


def unpack(text: str, format: Format, kept: Mapping[str, Any]) -> Message:  # noqa: A002
    """The reverse of `pack`."""
    return replace(Message(text, format), **unpack_overrides(kept))


def pack_overrides(overrides: Mapping[str, object]) -> dict[str, Any]:
    """Some fields of a message, for JSON."""
    return {name: _packed(value) for name, value in overrides.items()}


def unpack_overrides(kept: Mapping[str, Any]) -> Mapping[str, object]:
    """The reverse of `pack_overrides`."""
    return MappingProxyType({name: _unpack(name, value) for name, value in kept.items()})


def _packed(value: Any) -> Any:
    match value:
        case tuple():
            return [_packed(item) for item in cast("tuple[object, ...]", value)]
        case Button(text=text, url=url):
            return [text, url]
        case Attachment():
            names = [field.name for field in fields(Attachment)]
            return {name: _packed(getattr(value, name)) for name in names}
        case Forward(peer=peer, message_id=message_id, with_author=with_author):
            return [peer.text, message_id, with_author]
        case When(at=at, zone=zone, of_recipient=of_recipient):
            return [at.isoformat(), zone, of_recipient]
        case Peer(text=text):
            return text
        case _:
            return value


def _unpack(name: str, value: Any) -> object:
    unpack = _UNPACK.get(name)
    return value if unpack is None or value is None else unpack(value)


def _attachment(kept: Mapping[str, Any]) -> Attachment:
    thumbnail = kept["thumbnail"]
    return Attachment(
        path=kept["path"],
        media=Media(kept["media"]),
        sha256=kept["sha256"],
        size=kept["size"],
        spoiler=kept["spoiler"],
        thumbnail=None if thumbnail is None else _attachment(thumbnail),
    )


_UNPACK: Mapping[str, Callable[[Any], object]] = {
    "format": Format,
    "link_preview": LinkPreview,
    "files": lambda kept: tuple(_attachment(file) for file in kept),
    "buttons": lambda kept: tuple(
        tuple(Button(text=text, url=url) for text, url in row) for row in kept
    ),
    "send_as": parse_peer,
    "forward": lambda kept: Forward(
        peer=parse_peer(kept[0]), message_id=kept[1], with_author=kept[2]
    ),
    "when": lambda kept: When(
        at=datetime.fromisoformat(kept[0]), zone=kept[1], of_recipient=kept[2]
    ),
}
