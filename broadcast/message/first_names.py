"""Answers how to address somebody of whom a list has the name; it guesses where it is safe."""

from __future__ import annotations

_TITLES = frozenset(
    {"dr", "dra", "prof", "mr", "mrs", "ms", "miss", "sr", "sra", "srta", "herr", "frau", "mme"}
)
_NO_NAMES = frozenset(
    {"ag", "co", "corp", "gmbh", "inc", "kg", "llc", "ltd", "sa", "sl", "srl"}
    | {"ii", "iii", "jr", "md", "phd", "sr"}
)


def first_name(name: str) -> str:
    """How to address whoever is called `name`: `Ana Ruiz`, `Ruiz, Ana` and `Dr. Ana Ruiz` are Ana.

    It is the whole name where there is no telling: of a company (`Ruiz, Inc.`), or a title alone.
    """
    family, comma, given = name.partition(",")
    if comma and (not family.strip() or "," in given or _bare(given) in _NO_NAMES):
        return name
    for word in (given if comma else name).split():
        if _bare(word) not in _TITLES:
            return word
    return name


def _bare(word: str) -> str:
    return word.strip().replace(".", "").casefold()
