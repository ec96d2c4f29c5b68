"""Reads CSV as rows; it guesses the delimiter, and nothing else."""

from __future__ import annotations

import csv
import re
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO

from broadcast.core.spelling import same
from broadcast.forms.entries import (
    KEYS,
    MESSAGE_COLUMN,
    Columns,
    Complaint,
    Row,
    control_character,
    is_like_peer,
    quoted,
    text_lines,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

# CSV: https://www.rfc-editor.org/rfc/rfc4180, and what spreadsheets make of it.


_TOLD = re.compile(
    r"\s*\"?sep=([^\w\s\"]|\t)\"?\s*", re.IGNORECASE
)  # Excel's own way to name the delimiter


def csv_entries(stream: BinaryIO) -> Iterator[Row | Complaint]:
    """The rows below the first, which names the columns. Raises Unreadable."""
    lines = text_lines(stream)
    before: list[str] = []  # blank lines, and the header's first line
    told: str | None = None
    for line in lines:
        if told is None and (found := _TOLD.fullmatch(line)):
            told = found[1]
            before.append("\n")
            continue
        before.append(line)
        if line.strip():
            break
    else:
        return
    rows = _rows(chain(before, lines), told or _delimiter(before[-1]))
    columns: Columns | None = None
    for at, row in rows:
        if isinstance(row, str):
            yield Complaint(at, row)
            if columns is None:
                return
        elif columns is None:
            names = [_column(cell) for cell in row]
            wrong = _wrong_columns(names, at)
            yield from wrong
            if wrong:
                return
            columns = Columns(names)
        elif len(row) > len(columns.names) and "".join(row[len(columns.names) :]).strip():
            told = f"{len(row)} cells under {len(columns.names)} columns: does a text need quotes?"
            yield Complaint(at, told)
        else:
            yield Row(at, row, columns)


def _rows(lines: Iterator[str], delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Give the line in which each row starts, and its cells or what is wrong with it."""
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = rows.line_num + 1
        try:
            row = next(rows, None)
        except csv.Error as error:
            words = str(error)
            if "field limit" in words or "unexpected end" in words:
                yield line, 'a text that starts with " is not closed, or is far too long'
                return
            told = f"not CSV: {words}"
            if "expected after" in words:
                told = (
                    'after the " that ends a text comes a column; a " within a text is written ""'
                )
            elif "new-line character" in words:
                told = "the lines end in an old way (CR alone): save them with CR LF or LF"
            yield line, told
            continue
        if row is None:
            return
        if "".join(row).strip():
            yield line, row


def _delimiter(header: str) -> str:
    """The one of `,` `;` tab and `|` that makes a column `peer`, and the most columns."""

    def found(delimiter: str) -> tuple[bool, int]:
        try:
            cells = [_column(cell) for cell in next(csv.reader([header], delimiter=delimiter))]
        except csv.Error:
            return False, 0
        return "peer" in cells, len(cells)

    return max(",;\t|", key=found)


def _column(cell: str) -> str:
    """A key, or a setting of the message, in the spelling that it has; else as it is written."""
    name = same(cell)
    return name if name in KEYS or name.startswith(MESSAGE_COLUMN) else cell.strip()


def _hint(columns: list[str]) -> str:
    """The column that is probably meant to be the peers', else those there are."""
    meant = [name for name in columns if is_like_peer(name)]
    if not meant:
        return ", ".join(quoted(name) for name in columns[:10])
    which = quoted(meant[0]) + (f" (or {quoted(meant[1])})" if len(meant) > 1 else "")
    return f"rename {which} to peer, so that it says who gets the message"


def _wrong_columns(columns: list[str], line: int) -> list[Complaint]:
    while columns and not same(columns[-1]):
        columns.pop()  # spreadsheets write the empty columns at the right, too
    told: list[str] = []
    if "peer" not in columns:
        told.append(f"the first line names the columns, and none of them is peer: {_hint(columns)}")
    known = list(map(same, columns))
    for number, name in enumerate(columns, 1):
        if not same(name):
            told.append(f"column {number} has no name")
        elif same(name) in known[: number - 1]:
            told.append(f"two columns are called {quoted(name)}")
        elif character := control_character(name):
            told.append(f"the name of column {number} holds the control character {character}")
        elif same(name) == "fields":
            told.append("no column can be called fields: each further column is a field")
        elif same(name) == "message":
            told.append("no column can be called message: expected message.text, message.silent")
    return [Complaint(line, message) for message in told]
