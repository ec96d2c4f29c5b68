"""Reads a YAML mapping whose keys are all known, and says where it is wrong; it knows no key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

import yaml

from broadcast.core.errors import SettingsError

T = TypeVar("T")

Reader = Callable[[yaml.Node, str, str], Any]
"""Reads a value, given the name of the file and the key above it. Raises SettingsError."""


def parse_as(
    made: Callable[..., T], text: str, source: str, above: str, readers: Mapping[str, Reader]
) -> T:
    """Make `made(**values)` of YAML, or of JSON, which is YAML as well; `made()` of nothing.

    `made` may raise ValueError, whose first word is then the key that is wrong. Raises
    SettingsError, which names `source`, the line and the key; `above` is what the mapping is.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)  # pyright: ignore[reportUnknownMemberType]
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SettingsError(f"{source}:{line}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise SettingsError(f"{source}: not YAML: {error}") from None
    if root is None or (isinstance(root, yaml.ScalarNode) and not root.value):
        return made()
    values = read_mapping(root, source, above, readers)
    try:
        return made(**values)
    except ValueError as error:
        name = str(error).partition(" ")[0]
        line = next(line_of(key) for key, _ in root.value if key.value == name)
        raise SettingsError(f"{source}:{line}: {error}") from None


def read_mapping(
    node: yaml.Node, source: str, above: str, readers: Mapping[str, Reader]
) -> dict[str, Any]:
    """Read the values of a mapping, each with the reader of its key. Raises SettingsError."""
    if not isinstance(node, yaml.MappingNode):
        keys = ", ".join(readers)
        raise SettingsError(f"{source}:{line_of(node)}: {above}: expected `key: value` of {keys}")
    values: dict[str, Any] = {}
    for key, value in node.value:
        name = str(key.value)
        if name in values:
            raise SettingsError(f"{source}:{line_of(key)}: {name} is given twice")
        if name not in readers:
            close = get_close_matches(name, readers, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(readers)}"
            raise SettingsError(f"{source}:{line_of(key)}: {above}: unknown key {name!r}: {hint}")
        values[name] = readers[name](value, source, name)
    return values


def whole(node: yaml.Node, source: str, key: str) -> int:
    """Read a whole number."""
    try:
        return int(text_of(node))
    except ValueError:
        raise unreadable(node, source, key, "a whole number") from None


def number(node: yaml.Node, source: str, key: str) -> float:
    """Read a number."""
    try:
        return float(text_of(node))
    except ValueError:
        raise unreadable(node, source, key, "a number") from None


def word(node: yaml.Node, _source: str, _key: str) -> str:
    """Read a word."""
    return text_of(node)


def text_of(node: yaml.Node) -> str:
    """What stands there; "" for a list or a mapping."""
    return node.value if isinstance(node, yaml.ScalarNode) else ""


def line_of(node: yaml.Node) -> int:
    """The line that a node begins on, counted from 1."""
    return node.start_mark.line + 1 if node.start_mark else 1


def unreadable(node: yaml.Node, source: str, key: str, expected: str) -> SettingsError:
    """The complaint about a value that is not `expected`."""
    found = repr(text_of(node)) if isinstance(node, yaml.ScalarNode) else "a structure"
    return SettingsError(f"{source}:{line_of(node)}: {key} must be {expected}, not {found}")
