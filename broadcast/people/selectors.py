"""Chooses contacts by `--to` and `--exclude`; it keeps none of them in memory.

A selector is one or more terms with commas between, all of which must match. A term matches a
contact by a tag, by the name, or by the peer in any spelling: `best`, `Ana Ruiz`,
`https://t.me/ana`. What is compared with what is core/spelling.py's: case does not matter. A text
that is somebody's whole name matches that person even when it has commas (`Ruiz, Ana`), so that
nothing needs to be escaped.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from broadcast.core.asker import Ask, Question
from broadcast.core.counted import people
from broadcast.core.errors import SelectorError
from broadcast.core.model import PeerKind
from broadcast.core.peers import PeerError
from broadcast.core.spelling import same, same_key
from broadcast.people.phones import read_peer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from broadcast.core.model import Contact

_MOST_TAGS = 1_000  # remembered, for the complaint about a selector that matches nobody
_TAGS_SHOWN = 20


class Selector:
    """One `--to` or `--exclude`. Its terms must match together; several selectors add up.

    It remembers whether it has matched, how often, and which of its terms have not, and counts
    those who `passed` it though they match a part of it. Raises SelectorError when it, or a part
    between commas, is empty.
    """

    def __init__(self, text: str, option: str = "--to") -> None:
        terms = [term.strip() for term in text.split(",")]
        if not all(map(same, terms)):
            where = "" if not text.strip() else f" around a comma in {text!r}"
            raise SelectorError(f"an empty selector{where}: write a tag, a name or a peer")
        self.has_matched = False
        self.count, self.count_partly, self._is_partly = 0, 0, False
        self._text, self._option = text.strip(), option
        self._whole = same(text)
        self._wanted = {term: (same(term), _key(term)) for term in terms}
        self._idle = terms

    def matches(self, contact: Contact) -> bool:
        """Whether it chooses `contact`."""
        called, key = {same(contact.name), *map(same_key, contact.tags)}, contact.peer.key
        matching = {
            term for term, (word, peer) in self._wanted.items() if word in called or peer == key
        }
        self._idle = [term for term in self._idle if term not in matching]
        matches = len(matching) == len(self._wanted) or (
            "," in self._text and same(contact.name) == self._whole
        )
        self.has_matched |= matches
        self.count += matches
        self._is_partly = bool(matching) and not matches
        return matches

    def passed(self) -> None:
        """The last contact gets it, though some of the terms may match."""
        self.count_partly += self._is_partly

    def question(self) -> Question | None:
        """What to ask of an `--exclude` whose commas leave out fewer than they seem to."""
        if not self.count_partly:
            return None
        each = " ".join(f"{self._option} {term!r}" for term in self._wanted)
        verb = "has" if self.count == 1 else "have"
        told = (
            f"{self._option} {self._text!r} leaves out {people(self.count)} who {verb} all "
            f"of it, and not {people(self.count_partly)} with a part of it, as commas mean and; "
            f"to leave those out, too: {each}"
        )
        return Question(Ask.EXCLUDED_TOGETHER, self.count_partly, told=told)

    def complaint(self, tags: dict[str, str]) -> str:
        """Why it matches nobody, where `tags` are those there are, by what they are compared as."""
        option = f"{self._option} {self._text!r} matches nobody"
        if not self._idle:
            return f"{option}: each part of it matches somebody, but nobody matches all of them"
        told = f"{option}: no tag, name or peer is {' or '.join(map(repr, self._idle))}"
        for term in self._idle:
            if close := get_close_matches(same(term)[:100], tags, n=1):
                told += f". Did you mean {tags[close[0]]!r}?"
        return f"{told} {_known(tags)}"


def select(
    contacts: Iterable[Contact],
    to: Sequence[str],
    exclude: Sequence[str],
    asked: list[Question] | None = None,
) -> Iterator[Contact]:
    """Yield those who match any of `to` (without `to`, everybody) and none of `exclude`.

    Raises SelectorError at once for an empty selector, and *after the last contact* when a
    selector matched nobody, most likely a typing mistake, or when nobody is left. So what is
    yielded may not be used before the end is reached. Then `asked` has what to ask about them.
    """
    wanted = [Selector(text) for text in to]
    unwanted = [Selector(text, "--exclude") for text in exclude]
    return _select(contacts, wanted, unwanted, [] if asked is None else asked)


def _select(
    contacts: Iterable[Contact],
    wanted: list[Selector],
    unwanted: list[Selector],
    asked: list[Question],
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
                tags.setdefault(same(tag), tag)
        # Lists, not generators: each selector must see each contact, else it seems to match nobody.
        is_wanted = any([selector.matches(contact) for selector in wanted]) or not wanted  # noqa: C419
        is_unwanted = any([selector.matches(contact) for selector in unwanted])  # noqa: C419
        if is_wanted and not is_unwanted:
            is_empty = False
            for selector in unwanted:
                selector.passed()
            yield contact
    asked += filter(None, (selector.question() for selector in unwanted))
    idle = [selector for selector in selectors if not selector.has_matched]
    if idle:
        raise SelectorError("\n".join(selector.complaint(tags) for selector in idle))
    if is_empty:
        raise SelectorError(
            "nobody is left: --exclude leaves out everybody that --to selects"
            if unwanted
            else "nobody is left: the contact list is empty"
        )


def as_compared(selectors: Iterable[str]) -> tuple[str, ...]:
    """The same for two ways to write one choice: `--to 'Best,madrid'` and `--to 'madrid, best'`.

    What names a peer is the same in any spelling.
    """
    return tuple(sorted({_as_compared(text) for text in selectors}))


def _as_compared(text: str) -> str:
    terms = {_spelling(term.strip()) for term in text.split(",")}
    return ",".join(sorted(terms))


def _spelling(term: str) -> str:
    try:
        peer = read_peer(term)
    except PeerError:
        return same(term)
    name = peer.key.partition(":")[2]
    return f"@{name}" if peer.kind is PeerKind.USERNAME else name


def _known(tags: dict[str, str]) -> str:
    if not tags:
        return "(nobody in the list has a tag)"
    shown = sorted(tags.values(), key=str.casefold)
    more = f" and {len(shown) - _TAGS_SHOWN} more" if len(shown) > _TAGS_SHOWN else ""
    return f"(the tags: {', '.join(shown[:_TAGS_SHOWN])}{more})"


def _key(text: str) -> str | None:
    try:
        return read_peer(text).key
    except PeerError:
        return None
