"""Reads a file of `name: value` lines, and reports mistakes with file and line.

The caller gives a reader for each name that is allowed. The file is YAML, or JSON, which is YAML
as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeVar

from broadcast.core.errors import SettingsError
from broadcast.forms.entries import Map, Text, Unreadable, Value
from broadcast.forms.yaml_form import yaml_value

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")

Reader = Callable[[Value, str, str], Any]
"""Reads a value, given the name of the file and its own name. Raises SettingsError."""


def bytes_of(path: Path, if_missing: str = "there is no such file") -> bytes:
    """The content of a file. Raises SettingsError, with `if_missing` when there is no such file."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: {if_missing}") from error
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error


def parse_as(
    made: Callable[..., T], raw: bytes, source: str, above: str, readers: Mapping[str, Reader]
) -> T:
    """Make `made(**values)` of the values; `made()` when there are none.

    `made` may raise ValueError, whose first word is then the name that is wrong. Raises
    SettingsError with `source`, line and name; `above` is what the values are called together.
    """
    try:
        root = yaml_value(BytesIO(raw))
    except Unreadable as error:
        line, message, _ = error.complaint
        raise SettingsError(f"{source}:{line}: {message}") from None
    if root is None or (isinstance(root, Text) and not root.text):
        return made()
    values = read_named(root, source, above, readers)
    try:
        return made(**values)
    except ValueError as error:
        raise SettingsError(f"{source}:{_line_named(root, error)}: {error}") from None


def read_named(
    value: Value, source: str, above: str, readers: Mapping[str, Reader]
) -> dict[str, Any]:
    """Read values by their names, each with its own reader. Raises SettingsError."""
    if not isinstance(value, Map):
        names = ", ".join(readers)
        raise SettingsError(f"{source}:{value.line}: {above}: expected `key: value` of {names}")
    values: dict[str, Any] = {}
    for key, found in value.pairs:
        name = text_of(key)
        if name in values:
            raise SettingsError(f"{source}:{key.line}: {name} is given twice")
        if name not in readers:
            close = get_close_matches(name, readers, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(readers)}"
            raise SettingsError(f"{source}:{key.line}: {above}: unknown key {name!r}: {hint}")
        values[name] = readers[name](found, source, name)
    return values


def whole(value: Value, source: str, name: str) -> int:
    """Read a whole number."""
    try:
        return int(text_of(value))
    except ValueError:
        raise unreadable(value, source, name, "a whole number") from None


def number(value: Value, source: str, name: str) -> float:
    """Read a number."""
    try:
        return float(text_of(value))
    except ValueError:
        raise unreadable(value, source, name, "a number") from None


def word(value: Value, _source: str, _name: str) -> str:
    """Read a word."""
    return text_of(value)


def text_of(value: Value) -> str:
    """What is written there; "" for a list or for names with values."""
    return value.text if isinstance(value, Text) else ""


def unreadable(value: Value, source: str, name: str, expected: str) -> SettingsError:
    """The complaint about a value that is not `expected`."""
    found = repr(value.text) if isinstance(value, Text) else "a structure"
    return SettingsError(f"{source}:{value.line}: {name} must be {expected}, not {found}")


def _line_named(root: Value, error: ValueError) -> int:
    """The line of the name that the error begins with; the first line when there is none."""
    name = str(error).partition(" ")[0]
    pairs = root.pairs if isinstance(root, Map) else []
    return next((key.line for key, _ in pairs if text_of(key) == name), root.line)
