"""Reads the markup of a message, and counts and splits the text as Telegram counts."""

# Telethon ships no type information, so every value of it is unknown to the checker.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

from __future__ import annotations

import html
import re
import unicodedata
from bisect import bisect_left, bisect_right
from copy import copy
from functools import lru_cache
from itertools import accumulate
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from broadcast.core.counted import counted
from broadcast.core.errors import MessageError
from broadcast.core.model import Format
from broadcast.message.cleaning import clean, shows_nothing
from broadcast.message.front_matter import require_no_front_matter
from broadcast.message.not_messages import require_no_private_text
from broadcast.message.placeholders import PLACEHOLDER, fill, number_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from broadcast.core.model import Message

TEXT_LIMIT = 4096
"""UTF-16 units after formatting: https://core.telegram.org/method/messages.sendMessage"""

CAPTION_LIMIT = 1024
"""The same of the text under files, as every account may send it; Premium accounts may send more:
`caption_length_limit_default` in https://core.telegram.org/api/config#client-configuration"""

ENTITIES_LIMIT = 100
"""Pieces of formatting in a message; Telegram leaves out the others without an error.
https://limits.tginfo.me/en, and Bot API, "Formatting options":
https://core.telegram.org/bots/api#formatting-options"""

Part = tuple[str, tuple[Any, ...]]
"""A visible text and its entities, whose offsets count UTF-16 units:
https://core.telegram.org/api/entities#entity-length"""

_MARKUP = {Format.MARKDOWN: re.compile(r"[*_~`\[|]"), Format.HTML: re.compile(r"[<&]")}


def length(text: str) -> int:
    """The length of `text` as Telegram counts it: in UTF-16 units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def parse(message: Message) -> Part:
    """The visible text and its entities; a text is parsed once, however many receive it.

    It is cleaned (message/cleaning.py). Without markup it is else the text as it was written; with
    markup white space at its ends is dropped.
    """
    return _parse(message.text, message.format, message.values)


def check(message: Message) -> None:
    """Raise MessageError when Telegram would refuse the text, or show less than was written.

    And when it begins with settings that nobody has read, or is private.
    """
    require_no_front_matter(message.text)
    require_no_private_text(message.text)
    text, entities = parse(message)
    _require_seen(text, message)
    for entity in entities:
        if (url := getattr(entity, "url", None)) is not None:
            _require_address(url, _cut_out(text, entity))
    if message.split:
        return
    limit, what = (CAPTION_LIMIT, "caption") if message.files else (TEXT_LIMIT, "message")
    if (found := length(text)) > limit:
        raise MessageError(
            f"the {what} is too long: {found} characters as Telegram counts them, and it "
            f"allows {limit}; nothing was sent. Shorten it by {found - limit}, or send it in "
            "several parts with --split"
        )
    if len(entities) > ENTITIES_LIMIT:
        raise MessageError(
            f"the {what} has {len(entities)} pieces of formatting, and Telegram would leave out "
            f"all after the first {ENTITIES_LIMIT}; nothing was sent. Format less of it, or send "
            "it in several parts with --split"
        )


def _require_seen(text: str, message: Message) -> None:
    """Raise MessageError when nothing would be seen of the text, which only a caption need not."""
    if not shows_nothing(text) or message.forward is not None:
        return
    if not text.strip():
        if not message.files:
            raise MessageError("the message is empty; nothing was sent")
        return
    what = "caption" if message.files else "message"
    raise MessageError(
        f"nothing can be seen of the {what}: it has {counted(len(text), 'character')}, such as "
        f"U+{ord(text.strip()[0]):04X}; nothing was sent. Write a text"
        + (", or leave it out" if message.files else "")
    )


_ADDRESS = re.compile(
    r"(?:https?://(?:[^\s/?#@]+@)?)?"
    r"(?:[^\s/?#:@\[\].]+(?:\.[^\s/?#:@\[\].]+)+\.?|\[[0-9a-f:.]+\])(?::\d{1,5})?(?:[/?#]\S*)?"
    r"|(?:tg|ton|tonsite):(?://)?[^\s/]\S*",
    re.IGNORECASE,
)
"""What Telegram makes a link of: the host has a dot in it, and the scheme may be left out. TDLib,
`LinkManager::check_link`: of another address it sends the text and no link."""


def _require_address(url: str, shown: str) -> None:
    """Raise MessageError when Telegram would make no link of it; `shown` is its text."""
    if not url.strip():
        raise MessageError(f"the link {shown!r} has an empty address; nothing was sent")
    if not _ADDRESS.fullmatch(url):
        raise MessageError(
            f"the link {shown!r} leads to {url!r}, of which Telegram makes no link; nothing was "
            "sent. Write an address, such as https://example.org/page; if the brackets are meant "
            "as they are, use --format plain"
        )


def parts(message: Message) -> tuple[Part, ...]:
    """The messages that the text is cut into: one, unless it is to be split and is too long.

    The text is the parts, in order, with nothing but white space before, between and after them.
    No part is white space alone, longer than it may be (with files, the first is their caption),
    or begins or ends with white space. With more than 100 entities it is cut, too. It is cut at the
    last end of a paragraph in the second half of what fits, else at the last end there of a line,
    a sentence, a word; else at the last of them before; else anywhere, but, where that can be, not
    inside what is read as one character (https://unicode.org/reports/tr29/, simplified).
    """
    if not message.split:
        return (parse(message),)
    first = CAPTION_LIMIT if message.files else TEXT_LIMIT
    return _parts(message.text, message.format, message.values, first)


# Parsing.


@lru_cache(maxsize=64)
def _parse(text: str, markup: Format, values: tuple[str, ...]) -> Part:
    if values:
        return _fill(*_read(text, markup), values)
    return _read(text, markup)


@lru_cache(maxsize=64)
def _read(text: str, markup: Format) -> Part:
    """`text` without its markup. A template's placeholders are letters like all others here."""
    text = clean(text)
    found = _MARKUP.get(markup)
    if found is None or not found.search(text):
        return text, ()  # and Telethon, which is slow to import, is not needed
    if markup is Format.HTML:
        return _read_html(text)
    from telethon.extensions import markdown  # noqa: PLC0415 - see above
    from telethon.tl.types import MessageEntitySpoiler  # noqa: PLC0415

    signs = {**markdown.DEFAULT_DELIMITERS, "||": MessageEntitySpoiler}
    if _STANDS_FOR_SIGN.search(text):
        visible, entities = markdown.parse(text, signs, _MARKDOWN_LINK)
        return visible, tuple(entities)
    guarded = _BARE_ADDRESS.sub(lambda found: found[0].translate(_GUARDED), text)
    visible, entities = markdown.parse(guarded, signs, _MARKDOWN_LINK)
    for entity in entities:
        if isinstance(url := getattr(entity, "url", None), str):
            entity.url = url.translate(_UNGUARDED)
    return visible.translate(_UNGUARDED), tuple(entities)


_BARE_ADDRESS = re.compile(
    r"\b(?:https?|tg)://(?=\w)(?:[^\s<>\"|`()]|\([^\s<>\"|`()]*\))*(?<![*_~.,;:!?\]])"
)
"""An address, up to what may belong to the text around it. The signs in it are its own: an id such
as `a__b` would make italics of what stands between two of them, and both links would be broken."""

_SIGNS = "*_~"
_GUARDED = {ord(sign): 0xFDE1 + place for place, sign in enumerate(_SIGNS)}
_UNGUARDED = {instead: sign for sign, instead in _GUARDED.items()}
_STANDS_FOR_SIGN = re.compile("[\ufde1-\ufde3]")  # noncharacters, as in placeholders.py


_MARKDOWN_LINK = re.compile(
    r"\[((?:[^\[\]]|\[[^\[\]]*\])+)\]"
    r"\(((?:[^()\s]|\([^()\s]*\))*(?=\))|[^)]*)\)"
)
"""`[text](address)`. There may be brackets in both, in pairs: `[[1]](https://e.org/X_(y))`."""


def _read_html(text: str) -> Part:
    """What telethon.extensions.html.parse does, without the faults of it (Telethon 1.45).

    It never closes its parser, so that a text that ends in `AT&T` is lost from the & on, and all of
    a short one; it counts `&#128663;` as one unit; it lacks some of the tags; a tag inside of its
    own kind ends both; and what it does not know, or what is never closed, it drops without a word.
    Here that is a MessageError.
    """
    from telethon.helpers import add_surrogate, del_surrogate, strip_text  # noqa: PLC0415 - as above

    from broadcast.message.html import parser_of  # noqa: PLC0415

    parser = parser_of(add_surrogate(_CHARACTER.sub(_astral, text)))
    visible = strip_text(parser.text, parser.entities)
    entities = [*reversed(parser.entities)]  # the outer one first
    entities.sort(key=attrgetter("offset"))
    return del_surrogate(visible), tuple(entities)


_CHARACTER = re.compile(r"&(?:#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[A-Za-z0-9]+;)")


def _astral(match: re.Match[str]) -> str:
    """A reference to a character of two units becomes that character; the parser reads others.

    One to a character that is cleaned away becomes what that does.
    """
    character = html.unescape(match[0])
    cleaned = clean(character)
    return cleaned if character > "\uffff" or cleaned != character else match[0]


# The values of a template.


def _fill(text: str, entities: Sequence[Any], values: Sequence[str]) -> Part:
    """Put the values in the place of their placeholders, and move the entities along."""
    if not entities:
        return fill(text, values), ()
    pieces = PLACEHOLDER.split(text)
    ends: list[int] = []  # of each placeholder, in units of `text`
    shifts = [0]  # by how much what follows moves
    at = 0
    for index in range(1, len(pieces), 2):
        mark, number = pieces[index], number_of(pieces[index])
        at += length(pieces[index - 1]) + len(mark)
        if number < len(values):
            pieces[index] = values[number]
        ends.append(at)
        shifts.append(shifts[-1] + length(pieces[index]) - len(mark))

    def moved(offset: int) -> int:
        return offset + shifts[bisect_right(ends, offset)]

    visible = "".join(pieces)
    kept = visible.strip()
    lead = len(visible) - len(visible.lstrip())  # white space is one unit each
    spans = [(entity, moved(entity.offset), moved(_end(entity))) for entity in entities]
    made = _placed(spans, lead, length(kept))
    for entity in made:
        for name in ("url", "language"):
            if isinstance(held := getattr(entity, name, None), str):
                setattr(entity, name, fill(held, values))
    return kept, made


def _end(entity: Any) -> int:
    return entity.offset + entity.length


def _placed(spans: Iterable[tuple[Any, int, int]], lead: int, limit: int) -> tuple[Any, ...]:
    """A copy of each entity from its start to its end, both less `lead` and within 0 to `limit`."""
    made: list[Any] = []
    for entity, start, end in spans:
        first, last = max(start - lead, 0), min(end - lead, limit)
        if first < last:
            placed = copy(entity)
            placed.offset, placed.length = first, last - first
            made.append(placed)
    return tuple(made)


def _cut_out(text: str, entity: Any) -> str:
    units = text.encode("utf-16-le", "surrogatepass")
    return units[2 * entity.offset : 2 * _end(entity)].decode("utf-16-le", "replace")


# Splitting.


@lru_cache(maxsize=64)
def _parts(text: str, markup: Format, values: tuple[str, ...], first: int) -> tuple[Part, ...]:
    visible, entities = _parse(text, markup, values)
    at = [0, *accumulate(1 + (character > "\uffff") for character in visible)]
    made: list[Part] = []
    for start, end in _slices(visible, at, entities, first):
        spans = ((entity, entity.offset, _end(entity)) for entity in entities)
        placed = _placed(spans, at[start], at[end] - at[start])
        made.append((visible[start:end], placed))
    return tuple(made) or (("", ()),)


def _slices(
    text: str, at: Sequence[int], entities: Sequence[Any], limit: int
) -> Iterator[tuple[int, int]]:
    """Where each part starts and ends, in characters; `at` tells their offsets in units."""
    start, stop = len(text) - len(text.lstrip()), len(text.rstrip())
    while start < stop:
        most = min(bisect_right(at, at[start] + limit) - 1, stop)
        begun = sorted(e.offset for e in entities if _end(e) > at[start] and e.offset < at[most])
        if len(begun) > ENTITIES_LIMIT and begun[ENTITIES_LIMIT] > at[start]:
            most = bisect_left(at, begun[ENTITIES_LIMIT])
        cut = stop if most >= stop else _best_cut(text, start, most)
        yield start, start + len(text[start:cut].rstrip())
        start = cut + len(text[cut:stop]) - len(text[cut:stop].lstrip())
        limit = TEXT_LIMIT


_PARAGRAPH = re.compile(r"\n[^\S\n]*\n")
_LINE = re.compile(r"\n")
_SENTENCE = re.compile(
    r"(?<![.!?\u2026])[.!?\u2026]++[\"')\]\u00bb\u201d\u2019]*+(?=\s)|[\u3002\uff01\uff1f]"
)
_SPACE = re.compile(r"\s")


def _best_cut(text: str, start: int, most: int) -> int:
    """Where to end a part that starts at `start`, and at `most` at the latest."""
    last = [0]
    for kind in (_PARAGRAPH, _LINE, _SENTENCE, _SPACE):
        cuts = (
            match.end() if kind is _SENTENCE else match.start()
            for match in kind.finditer(text, start, min(most + 2, len(text)))
        )
        last.append(max((cut for cut in cuts if start < cut <= most), default=0))
        if last[-1] > start + (most - start) // 2:
            return last[-1]
    if max(last) > start:
        return max(last)
    for cut in range(most, start, -1):
        if not _is_one(text, cut):
            return cut
    return most


def _is_one(text: str, cut: int) -> bool:
    """Whether what stands before and after `cut` is read as one character."""
    before, after = text[cut - 1], text[cut]
    if _is_flag(before) and _is_flag(after):
        run = len(text[:cut]) - len(text[:cut].rstrip(_FLAGS))
        return run % 2 == 1
    return (
        unicodedata.category(after).startswith("M")
        or "\u200d" in (before, after)
        or "\U0001f3fb" <= after <= "\U0001f3ff"  # the colour of a skin
        or "\U000e0020" <= after <= "\U000e007f"  # the tags of a region's flag
        or ("\u1100" <= before <= "\u11ff" and "\u1160" <= after <= "\u11ff")  # Hangul
    )


_FLAGS = "".join(map(chr, range(0x1F1E6, 0x1F200)))


def _is_flag(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
