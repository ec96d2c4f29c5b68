"""Reads the limits of a sandbox as the command line names them: `published`, `none` or a file."""

from __future__ import annotations

import os
from dataclasses import fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

from broadcast.core.errors import SettingsError
from broadcast.sandbox.limits.numbers import Limits
from broadcast.sandbox.named_values import (
    Reader,
    bytes_of,
    number,
    parse_as,
    text_of,
    unreadable,
    whole,
)

if TYPE_CHECKING:
    from broadcast.forms.entries import Value


def named_limits(text: str) -> Limits:
    """The limits of `published`, of `none`, or of the file at this path.

    Raises SettingsError as `read_limits` does.
    """
    if text == "published":
        return Limits()
    if text == "none":
        return Limits.none()
    return read_limits(Path(os.path.expanduser(text)))  # noqa: PTH111 - Path's raises for ~nobody


def read_limits(path: Path) -> Limits:
    """The limits of a YAML file of `name: value`; what it does not name is as published.

    Raises SettingsError, which names the file, the line and what to write there.
    """
    raw = bytes_of(path, "there is no such file; limits are `published`, `none` or a file")
    return parse_as(Limits, raw, str(path), "the limits", _READERS)


def _decimal(value: Value, source: str, name: str) -> Decimal:
    try:
        number = Decimal(text_of(value))
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise unreadable(value, source, name, "a number")
    return number


def _or_none(read: Reader, expected: str) -> Reader:
    def read_or_none(value: Value, source: str, name: str) -> float | None:
        if text_of(value).lower() in {"none", "null"}:
            return None
        try:
            return read(value, source, name)
        except SettingsError:
            raise unreadable(value, source, name, f"{expected} or none") from None

    return read_or_none


_BY_TYPE: dict[str, Reader] = {
    "int": whole,
    "float": number,
    "Decimal": _decimal,
    "int | None": _or_none(whole, "a whole number"),
    "float | None": _or_none(number, "a number"),
}
_READERS = {field.name: _BY_TYPE[str(field.type)] for field in fields(Limits)}
