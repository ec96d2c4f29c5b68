"""What docs/architecture.md shows of the code: its picture of the rooms, and the files in them.

`python -m tests.architecture` writes both into the page. tests/test_architecture.py fails where the
page shows something else.
"""

from __future__ import annotations

import ast
import re
import tomllib
from graphlib import TopologicalSorter
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import grimp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "architecture.md"
CODE = ROOT / "broadcast"
COMMAND = "python -m tests.architecture"
SEALED = {"sandbox"}  # its own rooms are shown, and not what is in them
_SHOWN = re.compile(r"(<!-- (\w+): [^>]*-->\n).*?(<!-- end -->)", re.DOTALL)


def layers() -> list[list[str]]:
    """The rooms from the top down, those of one layer together, as the contract has them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (found,) = (contract["layers"] for contract in contracts if contract["id"] == "layers")
    return [layer.split(" | ") for layer in found]


def imports() -> dict[str, set[str]]:
    """Which rooms each room imports, for types as well, and in functions."""
    graph = grimp.build_graph("broadcast", cache_dir=None)
    rooms = graph.find_children("broadcast")
    for room in rooms:
        graph.squash_module(room)
    return {
        _short(room): {
            _short(other)
            for other in graph.find_modules_directly_imported_by(room)
            if other in rooms and other != room
        }
        for room in rooms
    }


def _short(module: str) -> str:
    return module.removeprefix("broadcast.")


def without_detours(arrows: Mapping[str, set[str]]) -> Iterator[tuple[str, str]]:
    """The arrows that say something new: none from A to C where A leads to B, and B to C.

    Raises graphlib.CycleError where arrows lead in a circle.
    """
    below: dict[str, set[str]] = {}
    for room in TopologicalSorter(arrows).static_order():  # those that it imports come before it
        below[room] = set().union(*({other, *below[other]} for other in arrows[room]))
    for room, others in arrows.items():
        for other in others:
            if not any(other in below[between] for between in others):
                yield room, other


def picture() -> str:
    """The rooms, and who imports whom, as Mermaid draws it."""
    rank = {room: place for place, room in enumerate(chain.from_iterable(layers()))}
    arrows = sorted(without_detours(imports()), key=lambda arrow: [rank[room] for room in arrow])
    lines = ["flowchart TD", *(f"    {room} --> {other}" for room, other in arrows)]
    return "\n".join(["```mermaid", *lines, "```", ""])


def files() -> str:
    """Each room and each file in it, with the first line of what it says of itself."""
    shown: list[str] = []
    for room in chain.from_iterable(layers()):
        folder = CODE / room
        if not folder.is_dir():
            shown.append(f"**`{room}.py`**: {_told(folder.with_suffix('.py'))}\n\n")
            continue
        shown.append(f"**`{room}/`**: {_told(folder / '__init__.py')}\n\n")
        rows = [
            f"| `{room}/{name}` | {_told(path)} |\n" for name, path in sorted(_inside(folder, room))
        ]
        shown += [f"| | |\n|---|---|\n{''.join(rows)}\n"] if rows else []
    return "".join(shown)


def _inside(folder: Path, room: str) -> Iterator[tuple[str, Path]]:
    """The files below `folder` by their names; of a sealed room its rooms, as they are."""
    for path in folder.rglob("*.py"):
        name = path.relative_to(folder)
        if name.name != "__init__.py":
            if room not in SEALED or len(name.parts) == 1:
                yield name.as_posix(), path
        elif room in SEALED and len(name.parts) == 2:
            yield f"{name.parent.as_posix()}/", path


def _told(path: Path) -> str:
    """The first line of a file's docstring."""
    told = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    if not told:
        raise ValueError(f"{path} says nothing of itself")
    return told.splitlines()[0].replace("|", r"\|")


MADE = {"picture": picture, "files": files}
"""What stands between the marks, by their names."""


def rewritten(page: str) -> str:
    """`page` with everything that is made from the code made anew."""
    return _SHOWN.sub(lambda found: f"{found[1]}{MADE[found[2]]()}{found[3]}", page)


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
