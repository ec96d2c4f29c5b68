"""Tables on stdout, drawn by rich."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from rich import box
from rich.console import Console
from rich.table import Table

from broadcast.terminal.streams import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import ConsoleOptions, RenderableType
    from rich.segment import Segment


class Screen(Console):
    """rich's console, where no text that is shown can do more than be shown.

    rich's own control codes are segments of another kind.
    """

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """See `Console.render`: everything on the screen has come through it."""
        for segment in super().render(renderable, options):
            is_plain = segment.control or segment.text.isprintable()
            yield segment if is_plain else segment._replace(text=visible(segment.text))


class _Stdout(Screen):
    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704 - rich calls it while it handles the error, and would end the process


def stdout() -> Console:
    """stdout for tables: as wide as the terminal, and never cut where a program may read it."""
    file: TextIO = sys.stdout
    return _Stdout(file=file, highlight=False, width=None if file.isatty() else 1000)


def new_table(out: Console, *columns: str) -> Table:
    """A table that is never cut: long cells are folded."""
    table = Table(box=box.SIMPLE_HEAD if out.is_terminal else None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
