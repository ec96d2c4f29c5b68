"""Values as they were written, whatever the form of the file: each knows its line.

The forms (YAML, CSV, JSON Lines) have a module each that turns bytes into these. What they may say
is decided elsewhere, once for all forms: of a contact in people/contacts.py, of a message in
message/schema.py.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from broadcast.core.spelling import same

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_LINE = 2**20
"""The most bytes of one line of CSV or JSON Lines: a longer one cannot be a contact."""

KEYS = ("peer", "name", "tags", "fields", "message")
"""The keys of an entry; in CSV every other column is a field."""

_LIKE_PEER = frozenset(
    {"chat", "chat_id", "handle", "id", "link", "mobile", "number", "phone", "phone_number"}
    | {"recipient", "telegram", "telegram_id", "telegram_username", "tel", "to", "user"}
    | {"user_id", "user_name", "username"}
)

MESSAGE_COLUMN = "message."
"""How the names of the columns of CSV begin that are about the message."""

_SHOWN = 60  # characters of a wrong text in its complaint


class Complaint(NamedTuple):
    """What is wrong with a list, and where."""

    line: int
    message: str
    is_error: bool = True


class Unreadable(Exception):  # noqa: N818 - it carries a complaint to whoever reads the list
    """What is written here cannot be read, nor what follows; `complaint` says why and where."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.complaint = Complaint(line, message)


class NotUtf8(Unreadable):
    """These are bytes of another encoding."""


# An entry as it was written: each form is turned into these, and each knows its line.


class Text(NamedTuple):
    """A text, or what YAML would take for something else."""

    line: int
    text: str


class Number(NamedTuple):
    """A number of JSON, digit by digit as it was written."""

    line: int
    text: str
    is_whole: bool


class List(NamedTuple):
    """Values one after the other."""

    line: int
    items: list[Value]


class Map(NamedTuple):
    """Keys with values, in their order; a key may be given twice."""

    line: int
    pairs: list[tuple[Value, Value]]


class Row(NamedTuple):
    """The cells of a row of CSV, which becomes a contact without the values above in between."""

    line: int
    cells: list[str]
    columns: Columns

    def as_map(self) -> Map:
        """The same in the words of the other forms."""
        pairs: list[tuple[Value, Value]] = []
        fields: list[tuple[Value, Value]] = []
        message: list[tuple[Value, Value]] = []
        for name, cell in zip(self.columns.names, self.cells, strict=False):
            if not cell:
                continue
            key, value = Text(self.line, name), Text(self.line, cell)
            if name in KEYS:
                pairs.append((key, value))
            elif name.startswith(MESSAGE_COLUMN):
                message.append((Text(self.line, name.removeprefix(MESSAGE_COLUMN)), value))
            else:
                fields.append((key, value))
        if fields:
            pairs.append((Text(self.line, "fields"), Map(self.line, fields)))
        if message:
            pairs.append((Text(self.line, "message"), Map(self.line, message)))
        return Map(self.line, pairs)


class Columns:
    """Which column of a table has what, by its number from 0; None: there is no such column.

    It is looked up once for all rows. `are_plain` when no column needs more than its text.
    """

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.peer = names.index("peer")
        self.name = names.index("name") if "name" in names else None
        self.tags = names.index("tags") if "tags" in names else None
        self.fields = [(at, name) for at, name in enumerate(names) if name not in KEYS]
        self.are_plain = not any(name.startswith(MESSAGE_COLUMN) for _, name in self.fields)


class Other(NamedTuple):
    """A value that is accepted nowhere; `what` says in words what it is."""

    line: int
    what: str


Value = Text | Number | List | Map | Other
Entry = Value | Row


def control_character(text: str, may_have: str = "") -> str:
    """The first character that a terminal would obey instead of showing, such as U+0007; or ""."""
    if text.isprintable():
        return ""
    for character in text:
        category = unicodedata.category(character)
        if category in ("Cc", "Cs", "Zl", "Zp") and character not in may_have:
            return f"U+{ord(character):04X}"
    return ""


def is_like_peer(name: str) -> bool:
    """Whether other programs call so what is called peer here: `Phone number`, `chat_id`."""
    return re.sub(r"[ -]", "_", same(name)) in _LIKE_PEER


def in_words(value: Value) -> str:
    """A value in a complaint."""
    match value:
        case Text(_, text):
            return quoted(text)
        case Number(_, text):
            return f"the number {quoted(text)[1:-1]}"
        case List():
            return "a list"
        case Map():
            return "keys with values"
        case Other(_, what):
            return what


def quoted(text: str) -> str:
    """A text in a complaint: in quotes, and not too long."""
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")


# From bytes to text.


def text_lines(stream: BinaryIO) -> Iterator[str]:
    """Give each line as text with its end; raises Unreadable."""
    number = 0
    while raw := stream.readline(MOST_LINE + 1):
        number += 1
        if len(raw) > MOST_LINE:
            raise Unreadable(number, f"more than {MOST_LINE:,} bytes in one line: is this a list?")
        yield decoded(raw, number)


def decoded(raw: bytes, line: int) -> str:
    """Read `raw`, which starts in `line`, as UTF-8 with or without the mark that Excel writes."""
    nul = raw.find(b"\0")
    if nul >= 0:
        raise Unreadable(line + raw.count(b"\n", 0, nul), "a NUL byte: this is not a text file")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        at = error.start
        column = at - raw.rfind(b"\n", 0, at)
        raise NotUtf8(
            line + raw.count(b"\n", 0, at),
            f"not UTF-8 (the byte 0x{raw[at]:02X}, number {column} of the line): save it as UTF-8",
        ) from None
    return text.removeprefix("\ufeff") if line == 1 else text
