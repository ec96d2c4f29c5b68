"""Reads JSON Lines as entries; every value keeps its line, and numbers keep their digits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, BinaryIO, cast

from broadcast.forms.entries import Complaint, List, Map, Number, Other, Text, Value, text_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

# JSON Lines: https://jsonlines.org


def jsonl_entries(stream: BinaryIO) -> Iterator[Value | Complaint]:
    """A value a line. Raises Unreadable."""
    for number, line in enumerate(text_lines(stream), 1):
        if not line.strip():
            continue
        try:
            yield _json(line, number)
        except json.JSONDecodeError as error:
            told = f"not JSON at character {error.pos + 1} ({error.msg}): expected an object a line"
            yield Complaint(number, told)
        except RecursionError:
            yield Complaint(number, "lists within lists within lists: expected an object a line")


def _json(text: str, line: int) -> Value:
    """Read one line; numbers stay as they are written, and no key that is given twice is lost."""

    def value(found: object) -> Value:
        match found:
            case str():
                return Text(line, found)
            case None:
                return Text(line, "")  # what a program writes for a name that it does not have
            case list():
                return List(line, [value(item) for item in cast("list[object]", found)])
            case Number() | Map() | Other():
                return found
            case _:
                return Other(line, json.dumps(found))

    def pairs(found: list[tuple[str, object]]) -> Map:
        return Map(line, [(Text(line, key), value(item)) for key, item in found])

    return value(
        json.loads(
            text,
            object_pairs_hook=pairs,
            parse_int=lambda digits: Number(line, digits, is_whole=True),
            parse_float=lambda digits: Number(line, digits, is_whole=False),
            parse_constant=lambda word: Other(line, word),
        )
    )
