"""Tables on stdout, drawn by rich."""

from __future__ import annotations

import sys
from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table


class _Stdout(Console):
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
