"""Tables on stdout: drawn by rich for a person, a line a row with tabs for a program."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as Drawn
from rich.text import Text

from broadcast.terminal.streams import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import ConsoleOptions, RenderableType
    from rich.segment import Segment

LEAST = 8
"""Characters that a column needs to be read; what is folded at less is shown below each other."""


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


class Table:
    """Rows of cells below the names of their `columns`.

    The columns `whole` have ids, which nobody can copy in pieces: at a terminal they are never
    folded, and where there is no room beside them all else of a row is shown below them.

    Where a program may read it, each row is one line, at once, with tabs between its cells: nothing
    is kept.
    """

    def __init__(self, out: Console, *columns: str, whole: Sequence[str]) -> None:
        self._out, self._columns, self._whole = out, columns, set(whole)
        self._is_drawn = out.file.isatty()
        self._rows: list[list[Text]] = []
        self.count = 0

    def add(self, *cells: Text | str) -> None:
        """One more row, a cell for each column; what no terminal may get is left out."""
        self.count += 1
        row = [_shown(cell) for cell in cells]
        if self._is_drawn:
            self._rows.append(row)
            return
        if self.count == 1:
            self._line(self._columns)
        self._line([cell.plain for cell in row])

    def _line(self, cells: Sequence[str]) -> None:
        self._out.file.write("\t".join(" ".join(cell.split()) for cell in cells) + "\n")

    def show(self) -> None:
        """Draw what was added, if it was not written before."""
        if not self._rows:
            return
        drawn = Drawn(box=box.SIMPLE_HEAD, pad_edge=False)
        needed = 0
        for number, column in enumerate(self._columns):
            widest = max(cell_len(cell.plain) for cell in [Text(column), *self._column(number)])
            is_whole = column in self._whole
            needed += (widest if is_whole else min(widest, LEAST)) + 2
            drawn.add_column(
                column,
                overflow="fold",
                no_wrap=is_whole,
                min_width=widest if is_whole else min(widest, LEAST),
            )
        if needed > self._out.width:
            self._show_below_each_other()
            return
        for row in self._rows:
            drawn.add_row(*row)
        self._out.print(drawn)

    def _column(self, number: int) -> list[Text]:
        return [row[number] for row in self._rows]

    def _show_below_each_other(self) -> None:
        for row in self._rows:
            cells = list(zip(self._columns, row, strict=True))
            for column, cell in cells:
                if column in self._whole:
                    self._out.print(cell, soft_wrap=True)  # longer than a line: no end put into it
            for column, cell in cells:
                if column not in self._whole and cell.plain:
                    told = Text.assemble(f"{column}: " if column else "", cell)
                    self._out.print(Padding(told, (0, 0, 0, 2)), overflow="fold")


def _shown(cell: Text | str) -> Text:
    if isinstance(cell, str):
        return Text(visible(cell))
    return cell if cell.plain == (shown := visible(cell.plain)) else Text(shown, style=cell.style)
