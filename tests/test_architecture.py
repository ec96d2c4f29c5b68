"""docs/architecture.md says what is: picture, files, contracts, and where to change what."""

from __future__ import annotations

import re
import tomllib
from graphlib import CycleError
from itertools import chain

import pytest

from tests.architecture import CODE, COMMAND, MADE, PAGE, ROOT, layers, rewritten, without_detours

TEXT = PAGE.read_text(encoding="utf-8")
STALE = f"docs/architecture.md is not what the code is. This writes it anew: {COMMAND}"


def test_the_page_shows_the_layers_and_the_files_as_they_are() -> None:
    assert rewritten(TEXT) == TEXT, STALE
    for name in MADE:
        assert f"<!-- {name}: " in TEXT


def test_the_picture_leaves_out_only_what_other_arrows_say() -> None:
    arrows = {"a": {"b", "c", "d"}, "b": {"c"}, "c": {"d"}, "d": set[str]()}
    assert sorted(without_detours(arrows)) == [("a", "b"), ("b", "c"), ("c", "d")]
    with pytest.raises(CycleError):
        list(without_detours({"a": {"b"}, "b": {"a"}}))


def test_each_room_has_its_one_reason() -> None:
    house = TEXT.split("## The house", 1)[1].split("\n## ", 1)[0]
    rooms = re.findall(r"^\| (`.*?`) \|", house, re.MULTILINE)
    told = [name.strip("`") for name in ", ".join(rooms).split(", ")]
    names = set(chain.from_iterable(layers())) - {"__main__"}
    assert sorted(told) == sorted(
        f"{name}/" if (CODE / name).is_dir() else f"{name}.py" for name in names
    )


def test_each_contract_is_told() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for contract in settings["tool"]["importlinter"]["contracts"]:
        assert f"*{contract['name']}*" in TEXT


CHANGES = re.findall(
    r"^\| (an? new .*?) \| (.*) \|$",
    TEXT.split("## Where do I change what", 1)[1].split("\n## ", 1)[0],
    re.MULTILINE,
)


def test_the_common_changes_are_told() -> None:
    assert len(CHANGES) >= 10


@pytest.mark.parametrize(("change", "where"), CHANGES, ids=[change for change, _ in CHANGES])
def test_a_common_change_names_its_files_and_they_exist(change: str, where: str) -> None:
    named = re.findall(r"`([\w./]+(?:\.\w+|/))`", where)
    assert len(named) >= 2
    for name in named:
        assert (CODE / name).exists() or (ROOT / name).exists(), name
