"""Answers what looks like a phone number, by the numbering plans of all countries; it asks nobody.

The plans are those of phonenumbers (https://github.com/daviddrysdale/python-phonenumbers), which is
Google's libphonenumber. It is loaded only where a list has a phone number.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from broadcast.core.asker import Ask, Question
from broadcast.core.counted import people
from broadcast.core.model import PeerKind
from broadcast.core.peers import PeerError, parse_peer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from broadcast.core.model import Contact, Peer
    from broadcast.people.audience import Audience

LONGEST_ID = 10
"""The digits of a user's id, at most: in November 2026 the newest are of some 8,500,000,000."""

_SHOWN = 3  # numbers in a question


def read_peer(text: str) -> Peer:
    """`parse_peer`, and `+44 (0)20 7946 0018`, whose 0 is dialled in some countries only.

    Raises PeerError.
    """
    try:
        return parse_peer(text)
    except PeerError:
        if "(0)" in text and (number := _dialled(text)):
            return parse_peer(number)
        raise


def _dialled(text: str) -> str | None:
    """The number in E.164: with the 0 where there is such a number, else without it."""
    import phonenumbers  # noqa: PLC0415

    for written in (text, text.replace("(0)", "")):
        try:
            number = phonenumbers.parse(re.sub(r"^\s*00", "+", written))
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return None


class BareNumbers:
    """Finds ids that are perhaps phone numbers which have lost their +, as in a spreadsheet.

    A bare number is one of more digits than an id has today, or, in a list that has phone numbers
    with a + as well, one that is a number in one of their countries, with or without its code.
    """

    def __init__(self) -> None:
        self._begun: set[str] = set()  # how the phone numbers begin
        self._lengths: set[int] = set()  # of the ids

    def seen(self, contacts: Iterable[Contact]) -> Iterator[Contact]:
        """The contacts of the whole list, looked at as they go by."""
        is_id, is_phone, lengths = PeerKind.ID, PeerKind.PHONE, self._lengths
        for contact in contacts:
            peer = contact.peer
            if peer.kind is is_id:
                lengths.add(len(peer.value))
            elif peer.kind is is_phone:
                self._begun.add(peer.value[1:4])
            yield contact

    def doubts(self, chosen: Audience) -> tuple[Question, ...]:
        """What to ask about those who are chosen, once the whole list has been seen."""
        if max(self._lengths, default=0) <= (0 if self._begun else LONGEST_ID):
            return ()
        count, first, is_phone = 0, list[str](), _numbers_like(self._begun)
        for peers, _, lines in chosen.rows():
            for peer, line in zip(peers, lines, strict=True):
                if not isinstance(peer, int) or peer < 0:
                    continue
                if peer >= 10**LONGEST_ID or (is_phone and is_phone.fullmatch(str(peer))):
                    count += 1
                    if count <= _SHOWN:
                        first.append(f"{peer} (line {line})" if line else str(peer))
        if not count:
            return ()
        verb, ids = (
            ("looks", "it is an id, perhaps of a stranger")
            if count == 1
            else ("look", "they are ids, perhaps of strangers")
        )
        told = (
            f"{people(count)} {verb} like a phone number without its +: {', '.join(first)}"
            f"{', …' if count > _SHOWN else ''}. As written {ids}: a phone number "
            "starts with + and the country's code"
        )
        return (Question(Ask.BARE_NUMBERS, count, told=told),)


def _numbers_like(begun: set[str]) -> re.Pattern[str] | None:
    """The numbers of the countries whose numbers have `begun` so, with and without their codes."""
    if not begun:
        return None
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata  # noqa: PLC0415

    starts = {int(digits[:length]) for digits in begun for length in (1, 2, 3)}
    plans = {
        f"(?:{code})?(?:{metadata.general_desc.national_number_pattern})"
        for code in starts & COUNTRY_CODE_TO_REGION_CODE.keys()
        for region in COUNTRY_CODE_TO_REGION_CODE[code]
        if (metadata := PhoneMetadata.metadata_for_region(region, None)) is not None
        and metadata.general_desc is not None
    }
    return re.compile("|".join(sorted(plans))) if plans else None
