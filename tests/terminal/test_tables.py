"""How tables are drawn for a person, and written for a program."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from broadcast.terminal.tables import Table

WORDS = st.text("abcdefghij -_@0123456789é車", max_size=60).map(str.strip)
IDS = st.text("abcdefghij0123456789@+-", min_size=1, max_size=36)


class Terminal(io.StringIO):
    """A terminal that keeps what it shows."""

    def isatty(self) -> bool:
        return True


def shown(file: io.StringIO, width: int, rows: list[tuple[str, str, str]]) -> list[str]:
    table = Table(Console(file=file, width=width), "name", "peer", "told", whole=["peer"])
    for row in rows:
        table.add(*row)
    table.show()
    return file.getvalue().splitlines()


@given(st.lists(st.tuples(WORDS, IDS, WORDS), min_size=1, max_size=5), st.integers(40, 100))
def test_an_id_is_never_broken(rows: list[tuple[str, str, str]], width: int) -> None:
    lines = shown(Terminal(), width, rows)
    words = [word for line in lines for word in line.split()]
    for _, identity, _ in rows:
        assert identity in words


@given(st.lists(st.tuples(WORDS, IDS, WORDS), min_size=1, max_size=5), st.integers(40, 100))
def test_a_program_gets_a_row_a_line_without_padding(
    rows: list[tuple[str, str, str]], width: int
) -> None:
    head, *lines = shown(io.StringIO(), width, rows)
    assert head == "name\tpeer\ttold"
    assert [line.split("\t") for line in lines] == [
        [" ".join(cell.split()) for cell in row] for row in rows
    ]
