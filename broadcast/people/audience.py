"""How contacts are kept, and those that were chosen for one broadcast, whatever their number.

A contact is kept, here and in the ledger, as a number or a text, and some JSON. Those that were
chosen lie in a temporary file: they are read once from the list, and any number of times from
there. So it makes no difference when somebody edits the list in between, or when the list is a
pipe, which can be read only once.
"""

from __future__ import annotations

import json
import marshal
import tempfile
import weakref
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from json.encoder import encode_basestring as _quoted
from typing import TYPE_CHECKING

from broadcast.core.errors import SettingsError
from broadcast.core.model import NO_FIELDS, NO_OVERRIDES, Contact, Peer, PeerKind
from broadcast.core.peers import parse_peer
from broadcast.message.stored import pack_overrides, unpack_overrides

if TYPE_CHECKING:
    from broadcast.core.asker import Question
    from broadcast.core.errors import Problem

CHUNK = 5_000  # contacts that are held in memory at once
IN_MEMORY = 2**20  # bytes: for less no file is made

Rows = tuple[list[int | str], list[str | None], list[int]]
"""Some contacts in columns: the peer and the rest, as the ledger keeps them, and the line."""


class Audience(Collection[Contact]):
    """Contacts in their order, kept in a file that nobody else can open.

    The file is gone when the process ends, or when nobody holds this any more. `warnings` and
    `doubts` are looked at when the last contact was read. Raises SettingsError when the file cannot
    be written.
    """

    def __init__(
        self,
        contacts: Iterable[Contact] = (),
        *,
        warnings: Iterable[Problem] = (),
        doubts: Iterable[Question] = (),
    ) -> None:
        self.any_overrides = False
        """Whether some of them get another message than the rest."""
        self._count = 0
        self._sizes: list[int] = []  # of the chunks
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - closed by the next line
        weakref.finalize(self, self._file.close)
        rest = iter(contacts)
        while self._add(islice(rest, CHUNK)):
            pass
        self.warnings = tuple(warnings)
        """What is unusual in the list, but no mistake."""
        self.doubts: tuple[Question, ...] = tuple(doubts)
        """What is most likely a mistake in the list, and has to be confirmed."""

    def _add(self, contacts: Iterable[Contact]) -> int:
        """Write some more, none of which is kept in memory, and say how many they were."""
        peers: list[int | str] = []
        others: list[str | None] = []
        lines: list[int] = []
        for contact in contacts:
            peer, more = kept_contact(contact)
            peers.append(peer)
            others.append(more)
            lines.append(contact.line)
            if contact.overrides:
                self.any_overrides = True
        if peers:
            self._write(marshal.dumps((peers, others, lines)))
        self._count += len(peers)
        return len(peers)

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise SettingsError(
                f"the contacts do not fit into {tempfile.gettempdir()} ({error.strerror}). Free "
                "some space, or name another directory: TMPDIR=/path; nothing was sent"
            ) from error
        self._sizes.append(len(data))

    def rows(self) -> Iterator[Rows]:
        """All of them as they are kept, for those who need no `Contact` objects."""
        at = 0
        for size in self._sizes:
            self._file.seek(at)
            yield marshal.loads(self._file.read(size))  # noqa: S302 - this process wrote it
            at += size

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Contact]:
        for peers, others, lines in self.rows():
            for peer, more, line in zip(peers, others, lines, strict=True):
                yield contact_of(peer, more, line)

    def __contains__(self, contact: object) -> bool:
        return any(each == contact for each in self)


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
