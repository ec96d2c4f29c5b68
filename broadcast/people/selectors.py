"""Chooses contacts by `--to` and `--exclude`; it keeps none of them in memory.

A selector is one or more terms with commas between, all of which must match. A term matches a
contact by a tag, by the name, or by the peer in any spelling: `best`, `Ana Ruiz`,
`https://t.me/ana`. Case does not matter. A text that is somebody's whole name matches that person
even when it has commas (`Ruiz, Ana`), so that nothing needs to be escaped.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Self

from broadcast.core.errors import SelectorError
from broadcast.core.peers import PeerError, parse_peer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from broadcast.core.model import Contact

_MOST_TAGS = 1_000  # remembered, for the complaint about a selector that matches nobody
_TAGS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Term:
    """One part of a selector, and the key of the peer that it names, if any."""

    text: str
    key: str | None

    def matches(self, contact: Contact) -> bool:
        """Whether it is a tag, the name or the peer of `contact`."""
        wanted = self.text.casefold()
        return (
            any(tag.casefold() == wanted for tag in contact.tags)
            or contact.name.casefold() == wanted
            or (self.key is not None and contact.peer.key == self.key)
        )


@dataclass(frozen=True, slots=True)
class Selector:
    """One `--to` or `--exclude`. Its terms must match together; several selectors add up."""

    text: str
    terms: tuple[Term, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a selector. Raises SelectorError when it, or a part between commas, is empty."""
        parts = [part.strip() for part in text.split(",")]
        if not all(parts):
            where = "" if not text.strip() else f" around a comma in {text!r}"
            raise SelectorError(f"an empty selector{where}: write a tag, a name or a peer")
        return cls(text.strip(), tuple(Term(part, _key(part)) for part in parts))

    def matches(self, contact: Contact) -> bool:
        """Whether it chooses `contact`."""
        return all(term.matches(contact) for term in self.terms) or (
            len(self.terms) > 1 and contact.name.casefold() == self.text.casefold()
        )


def select(
    contacts: Iterable[Contact], to: Sequence[str], exclude: Sequence[str]
) -> Iterator[Contact]:
    """Yield those who match any of `to` (without `to`, everybody) and none of `exclude`.

    Raises SelectorError at once for an empty selector, and *after the last contact* when a
    selector matched nobody, most likely a typing mistake, or when nobody is left. So what is
    yielded may not be used before the end is reached.
    """
    wanted = [_Counted(Selector.parse(text), "--to") for text in to]
    unwanted = [_Counted(Selector.parse(text), "--exclude") for text in exclude]
    return _select(contacts, wanted, unwanted)


def _select(
    contacts: Iterable[Contact], wanted: list[_Counted], unwanted: list[_Counted]
) -> Iterator[Contact]:
    selectors = (*wanted, *unwanted)
    tags: dict[str, str] = {}
    is_empty = True
    for contact in contacts:
        if not selectors:
            is_empty = False
            yield contact
            continue
        if len(tags) < _MOST_TAGS:
            for tag in contact.tags:
                tags.setdefault(tag.casefold(), tag)
        # Lists, not generators: each selector must see each contact, else it seems to match nobody.
        is_wanted = any([counted.sees(contact) for counted in wanted]) or not wanted  # noqa: C419
        is_unwanted = any([counted.sees(contact) for counted in unwanted])  # noqa: C419
        if is_wanted and not is_unwanted:
            is_empty = False
            yield contact
    idle = [counted for counted in selectors if not counted.has_matched]
    if idle:
        raise SelectorError("\n".join(counted.complaint(tags) for counted in idle))
    if is_empty:
        raise SelectorError(
            "nobody is left: --exclude leaves out everybody that --to selects"
            if unwanted
            else "nobody is left: the contact list is empty"
        )


class _Counted:
    """A selector, and which of its terms have matched somebody."""

    def __init__(self, selector: Selector, option: str) -> None:
        self.has_matched = False
        self._selector = selector
        self._option = option
        self._idle = set(selector.terms)

    def sees(self, contact: Contact) -> bool:
        if self._idle:
            self._idle = {term for term in self._idle if not term.matches(contact)}
        matches = self._selector.matches(contact)
        self.has_matched |= matches
        return matches

    def complaint(self, tags: dict[str, str]) -> str:
        option = f"{self._option} {self._selector.text!r} matches nobody"
        if not self._idle:
            return f"{option}: each part of it matches somebody, but nobody matches all of them"
        idle = [term.text for term in self._selector.terms if term in self._idle]
        told = f"{option}: no tag, name or peer is " + " or ".join(repr(text) for text in idle)
        for text in idle:
            close = get_close_matches(text.casefold()[:100], tags, n=1)
            if close:
                told += f". Did you mean {tags[close[0]]!r}?"
        return f"{told} {_known(tags)}"


def _known(tags: dict[str, str]) -> str:
    if not tags:
        return "(nobody in the list has a tag)"
    shown = sorted(tags.values(), key=str.casefold)
    more = f" and {len(shown) - _TAGS_SHOWN} more" if len(shown) > _TAGS_SHOWN else ""
    return f"(the tags: {', '.join(shown[:_TAGS_SHOWN])}{more})"


def _key(text: str) -> str | None:
    try:
        return parse_peer(text).key
    except PeerError:
        return None
