"""Spellings of one name that people take for the same, as strategies of hypothesis."""

from __future__ import annotations

import unicodedata

from hypothesis import strategies as st

_SPACES = (" ", "\u00a0", "  ", "\u2009", "\u3000")
_INVISIBLE = ("", "", "", "\u200b", "\u200d", "\u2060", "\u00ad", "\u202a", "\u200f", "\ufeff")

names = st.text(
    st.sampled_from("abzABZ áÁéñÑöÖüßşğıçœşżłΣΟΦΙΑσς李明") | st.characters(categories=["L"]),
    min_size=1,
    max_size=12,
).filter(str.strip)
"""Names as people have them."""


@st.composite
def spellings_of(draw: st.DrawFn, name: str) -> str:
    """`name` as another keyboard, another program or a copy from a web page would have it."""
    text = unicodedata.normalize(draw(st.sampled_from(["NFC", "NFD"])), name)
    cased = draw(st.sampled_from([str.upper, str.lower, str.title, str]))(text)
    if cased.casefold() == text.casefold():
        text = cased
    made = draw(st.sampled_from(_INVISIBLE))
    for character in text:
        made += draw(st.sampled_from(_SPACES)) if character == " " else character
        made += draw(st.sampled_from(_INVISIBLE))
    return draw(st.sampled_from(["", " ", "\u00a0"])) + made + draw(st.sampled_from(["", " "]))
