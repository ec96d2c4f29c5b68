"""What a person types when Telegram asks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from broadcast.telegram.sign_in import typed_code

BETWEEN = st.lists(
    st.sampled_from(["", " ", "-", "\u2013", "\u00a0", " - "]), min_size=5, max_size=5
)


@given(st.from_regex(r"[0-9]{5}", fullmatch=True), BETWEEN)
def test_a_code_may_be_typed_in_groups(code: str, between: list[str]) -> None:
    written = "".join(sign + digit for sign, digit in zip(between, code, strict=True))
    assert typed_code(f"{written} ") == code


def test_a_code_of_words_keeps_its_spaces() -> None:
    assert typed_code(" two words-here ") == "two words-here"
