"""Options, front matter and contacts share one schema: what one of them can say, the others can."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from broadcast.cli import cli
from broadcast.cli.message import option_names
from broadcast.core.model import Contact
from broadcast.message.front_matter import read_front_matter
from broadcast.message.schema import SETTINGS, Kind, Setting
from broadcast.people.contacts import read_contacts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broadcast.message.schema import Raw

WRITTEN = {
    Kind.TEXT: "one",
    Kind.FLAG: "yes",
    Kind.LIST: ("one", "two"),
    Kind.ROWS: (("one", "two"), "three"),
}
IN_YAML = {
    Kind.TEXT: "one",
    Kind.FLAG: "yes",
    Kind.LIST: "[one, two]",
    Kind.ROWS: "[[one, two], three]",
}
EDITABLE = {"text", "format", "template", "buttons", "link_preview"}
ALL = pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)


def options_of(command: str) -> set[str]:
    return {option for param in cli.commands[command].params for option in param.opts}


@ALL
@pytest.mark.parametrize("command", ["send", "preview"])
def test_an_option_says_it(setting: Setting, command: str) -> None:
    names = option_names(setting)
    assert bool(names) is not setting.is_argument
    assert set(names) <= options_of(command)


@ALL
def test_an_edit_takes_what_can_be_edited(setting: Setting) -> None:
    is_there = set(option_names(setting)) <= options_of("edit")
    assert is_there is (setting.name in EDITABLE)


@ALL
def test_front_matter_says_it(setting: Setting) -> None:
    given, lines, _ = read_front_matter(
        f"---\n{setting.name}: {IN_YAML[setting.kind]}\n---\n", "message.md"
    )
    assert given == {setting.name: WRITTEN[setting.kind]}
    assert lines == {setting.name: 2}


@ALL
def test_a_contact_says_it(setting: Setting) -> None:
    def read(given: Mapping[str, Raw]) -> Mapping[str, object]:
        return dict(given)

    text = f"- peer: me\n  message: {{{setting.name}: {IN_YAML[setting.kind]}}}\n"
    (found,) = read_contacts(
        io.BytesIO(text.encode()), source="list", kind="yaml", read_message=read
    )
    assert isinstance(found, Contact)
    assert found.overrides == {setting.name: WRITTEN[setting.kind]}


@ALL
def test_a_column_says_it(setting: Setting) -> None:
    def read(given: Mapping[str, Raw]) -> Mapping[str, object]:
        return dict(given)

    text = f"peer,message.{setting.name}\nme,one\n"
    (found,) = read_contacts(
        io.BytesIO(text.encode()), source="list", kind="csv", read_message=read
    )
    assert isinstance(found, Contact)
    assert found.overrides == {setting.name: "one"}
