"""Names of broadcasts and messages: the same on every machine, and never two alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.core.ids import broadcast_id, random_id

# As they are: ids of ours, ids of Telegram's, addresses as telegram/addresses.py names them.
broadcasts = st.text("0123456789abcdefghjkmnpqrstvwxyz", min_size=1, max_size=10)
accounts = st.integers(1, 2**52)
peers = st.builds("{}:{}".format, st.sampled_from(["user", "chat", "channel"]), accounts)
parts = st.integers(0, 20)
messages = st.tuples(broadcasts, accounts, peers, parts)
moments = st.integers(1_577_836_800, 2_650_000_000)  # from 2020 to 2053
chances = st.integers(0, 2**20 - 1)


@pytest.mark.parametrize(
    ("arguments", "number"),
    [
        (("0123456789", 1, "user:123456789"), 7465875389248758485),
        (("0123456789", 1, "user:123456789", 1), 7844324163289318446),
        (("6ht8nb2k0z", 4503599627370495, "channel:1234567890"), -5839235227322365268),
    ],
)
def test_a_number_is_what_it_always_was(arguments: tuple[str, int, str], number: int) -> None:
    # Frozen: whoever changes one of these sends again what was sent before the change.
    assert random_id(*arguments) == number


@given(messages)
def test_a_number_is_what_telegram_takes(message: tuple[str, int, str, int]) -> None:
    number = random_id(*message)
    assert number != 0
    assert -(2**63) <= number < 2**63


@given(messages, messages)
def test_two_messages_never_have_one_number(
    one: tuple[str, int, str, int], two: tuple[str, int, str, int]
) -> None:
    assert (random_id(*one) == random_id(*two)) == (one == two)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (("b1", 1, "user:1", 0), ("b2", 1, "user:1", 0)),
        (("b1", 1, "user:1", 0), ("b1", 2, "user:1", 0)),
        (("b1", 1, "user:1", 0), ("b1", 1, "chat:1", 0)),
        (("b1", 1, "user:1", 0), ("b1", 1, "user:1", 1)),
        # written one after the other without a mark between, these would be the same
        (("b1", 11, "user:1", 0), ("b11", 1, "user:1", 0)),
        (("b", 1, "1user:1", 0), ("b", 11, "user:1", 0)),
        (("b", 1, "user:1", 10), ("b", 1, "user:11", 0)),
    ],
)
def test_what_differs_anywhere_has_another_number(
    one: tuple[str, int, str, int], two: tuple[str, int, str, int]
) -> None:
    assert random_id(*one) != random_id(*two)


def test_the_first_part_is_part_0() -> None:
    assert random_id("b1", 1, "user:1") == random_id("b1", 1, "user:1", 0)


@given(moments, chances)
def test_a_broadcast_is_named_by_ten_characters_that_nobody_misreads(
    moment: int, chance: int
) -> None:
    name = broadcast_id(moment, chance)
    assert len(name) == 10
    assert set(name) <= set("0123456789abcdefghjkmnpqrstvwxyz")


@given(moments, chances, moments, chances)
def test_names_of_broadcasts_sort_by_the_second(
    one: int, chance: int, two: int, other_chance: int
) -> None:
    names = [broadcast_id(one, chance), broadcast_id(two, other_chance)]
    if one != two:
        assert (names[0] < names[1]) == (one < two)
    else:
        assert (names[0] == names[1]) == (chance == other_chance)


def test_a_name_is_what_it_always_was() -> None:
    assert broadcast_id(1_795_435_200.9, 0xABCDE) == "6fgje0nf6y"
