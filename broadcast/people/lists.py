"""Opens a contact list and chooses an audience from it; it checks no message."""

from __future__ import annotations

from io import BufferedReader
from typing import TYPE_CHECKING

from broadcast.core.errors import ContactsError, Problem, SelectorError, SettingsError
from broadcast.core.model import Contact
from broadcast.disk.pipes import open_to_read
from broadcast.forms.encodings import is_encoding
from broadcast.people.audience import Audience
from broadcast.people.contacts import kind_of, read_contacts
from broadcast.people.phones import BareNumbers, read_peer
from broadcast.people.selectors import select

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from broadcast.core.asker import Question
    from broadcast.people.contacts import Kind, ReadMessage

REPORT = b'{"type":'
"""How the rows of `--json` begin, which a contact list may be made of."""


def contact(peer: str, *, name: str = "", tags: Iterable[str] = (), **fields: str) -> Contact:
    """A contact made by a program: `contact("@ana", name="Ana", city="Madrid")`.

    Raises core.peers.PeerError, a ValueError, when `peer` names nobody, and TypeError when a value
    is no text: how a number or a date is written is for the program to say.
    """
    if isinstance(tags, str):
        raise TypeError(f"tags are several texts, such as [{tags!r}]")
    tags = tuple(tags)
    given: dict[str, object] = {"peer": peer, "name": name, **fields}
    given |= {f"tags[{at}]": tag for at, tag in enumerate(tags)}
    for key, value in given.items():
        if not isinstance(value, str):
            raise TypeError(f"{key} of {peer} is a text, not {value!r}: write it as one")
    return Contact(read_peer(peer), name, tags, fields)


def load_audience(
    path: Path,
    to: Sequence[str] = (),
    exclude: Sequence[str] = (),
    read_message: ReadMessage | None = None,
    encoding: str | None = None,
) -> Audience:
    """Read the contact list and choose from it. `read_message` reads what is said for one contact.

    The list is UTF-8 unless a mark at its start, or `encoding`, says otherwise. Raises
    ContactsError with every mistake of the list, SelectorError, or SettingsError for an unknown
    encoding.
    """
    if encoding is not None and not is_encoding(encoding):
        raise SettingsError(
            f"--encoding {encoding}: there is no such encoding; Excel's are cp1252 and utf-16"
        )
    problems: list[Problem] = []
    bare = BareNumbers()
    asked: list[Question] = []

    def contacts() -> Iterator[Contact]:
        with open_to_read(path) as stream:
            source = str(path)
            is_pipe = path.is_fifo() and not path.suffix
            kind = _kind_of_pipe(stream) if is_pipe else kind_of(source)
            for entry in read_contacts(
                stream, source=source, kind=kind, read_message=read_message, encoding=encoding
            ):
                if isinstance(entry, Problem):
                    problems.append(entry)
                else:
                    yield entry

    chosen = Audience()
    unmatched: SelectorError | None = None
    try:
        chosen = Audience(select(bare.seen(contacts()), to, exclude, asked), warnings=problems)
    except SelectorError as error:
        unmatched = error  # a list full of mistakes matches nobody: those must be fixed first
    except OSError as error:
        raise ContactsError(f"{path}: cannot be read: {error.strerror}") from error
    mistakes = sum(problem.is_error for problem in problems)
    if mistakes:
        things = "a mistake" if mistakes == 1 else f"{mistakes} mistakes"
        raise ContactsError(f"{path}: {things} in the contact list; nothing was sent", problems)
    if unmatched is not None:
        raise unmatched
    chosen.doubts = (*bare.doubts(chosen), *asked)
    return chosen


def _kind_of_pipe(stream: BinaryIO) -> Kind:
    """YAML, unless it begins as the rows of a report do."""
    start = stream.peek(len(REPORT)) if isinstance(stream, BufferedReader) else b""
    return "jsonl" if start.startswith(REPORT) else "yaml"


def is_list(path: Path) -> bool:
    """Whether the file at `path` can be read as a contact list with somebody in it.

    A report of ours in CSV can, too: that is for the caller to know. Raises ContactsError where the
    file cannot be read.
    """
    path = path.resolve()
    try:
        with path.open("rb") as stream:
            found = read_contacts(stream, source=str(path), kind=kind_of(path.name))
            return any(isinstance(each, Contact) for each in found)
    except ContactsError:  # no list has such a name
        return False
    except OSError as error:
        raise ContactsError(f"{path}: cannot be read: {error.strerror}") from error
