"""A contact as it is kept, in an audience and in the ledger: a number or a text, and some JSON."""

from __future__ import annotations

import json
from json.encoder import encode_basestring as _quoted

from broadcast.core.model import NO_FIELDS, NO_OVERRIDES, Contact, Peer, PeerKind
from broadcast.core.peers import parse_peer
from broadcast.message.stored import pack_overrides, unpack_overrides


def as_json(value: object) -> str:
    """A value as it is kept."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def kept_contact(contact: Contact) -> tuple[int | str, str | None]:
    """The peer, and the rest in JSON: None for a bare id without a name, which takes no text.

    The JSON is put together here: an encoder for the whole takes 1.3 µs longer, and a row of a list
    is read and kept in 8 µs.
    """
    text = contact.peer.text
    is_number = contact.peer.kind is PeerKind.ID and text == contact.peer.value
    more: list[str] = []
    if contact.name:
        more.append(f'"name":{_quoted(contact.name)}')
    if contact.tags:
        more.append(f'"tags":[{",".join(map(_quoted, contact.tags))}]')
    if contact.fields:
        pairs = [f"{_quoted(name)}:{_quoted(value)}" for name, value in contact.fields.items()]
        more.append(f'"fields":{{{",".join(pairs)}}}')
    if contact.overrides:
        more.append(f'"overrides":{as_json(pack_overrides(contact.overrides))}')
    return int(text) if is_number else text, f"{{{','.join(more)}}}" if more else None


def contact_of(peer: int | str, more: str | None, line: int = 0) -> Contact:
    """The reverse of `kept_contact`; `line` is where the list has it."""
    if isinstance(peer, int):
        text = str(peer)
        named = Peer(text, PeerKind.ID, text)
    else:
        named = parse_peer(peer)
    if more is None:
        return Contact(named, "", (), NO_FIELDS, line, NO_OVERRIDES)  # in full: there are millions
    kept, _ = _read(more)
    return Contact(
        named,
        kept.get("name", ""),
        tuple(kept.get("tags", ())),
        kept.get("fields", NO_FIELDS),
        line,
        unpack_overrides(kept["overrides"]) if "overrides" in kept else NO_OVERRIDES,
    )


_read = json.JSONDecoder().raw_decode
"""`json.loads` without a look around, which takes 0.6 µs of the 2.2 that a contact takes then: this
JSON was written here, and nothing stands beside it."""
