"""Whom --to and --exclude choose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.core.asker import Ask, Question
from broadcast.core.errors import SelectorError
from broadcast.core.model import Contact
from broadcast.core.peers import parse_peer
from broadcast.people.selectors import Selector, as_compared, select


def contact(peer: str, name: str = "", *tags: str) -> Contact:
    return Contact(parse_peer(peer), name, tags)


ANA = contact("@ana", "Ana Ruiz", "best", "Madrid")
BOB = contact("@bob", "Ruiz, Bob", "best")
CARMEN = contact("+34600000001", "Carmen", "family", "madrid")
MYSELF = contact("me")
EVERYBODY = [ANA, BOB, CARMEN, MYSELF]


def chosen(to: list[str], exclude: list[str] | None = None) -> list[Contact]:
    return list(select(EVERYBODY, to, exclude or []))


def complaint(to: list[str], exclude: list[str] | None = None) -> str:
    with pytest.raises(SelectorError) as caught:
        chosen(to, exclude)
    return str(caught.value)


def test_without_selectors_everybody_is_meant() -> None:
    assert chosen([]) == EVERYBODY


@pytest.mark.parametrize(
    ("selector", "meant"),
    [
        ("best", [ANA, BOB]),
        ("MADRID", [ANA, CARMEN]),
        ("carmen", [CARMEN]),
        ("Ana Ruiz", [ANA]),
        ("@ana", [ANA]),
        ("https://t.me/ANA", [ANA]),
        ("+34 600 000 001", [CARMEN]),
        ("me", [MYSELF]),
        ("best,madrid", [ANA]),
        (" best , @bob ", [BOB]),
        ("ruiz, bob", [BOB]),
    ],
)
def test_a_selector_means_a_tag_a_name_or_a_peer_and_commas_narrow_it(
    selector: str, meant: list[Contact]
) -> None:
    assert chosen([selector]) == meant


def test_several_selectors_add_up_and_nobody_is_meant_twice() -> None:
    assert chosen(["best", "madrid", "@ana"]) == [ANA, BOB, CARMEN]


def test_an_exclusion_wins_over_a_selection() -> None:
    assert chosen(["best"], ["madrid"]) == [BOB]
    assert chosen([], ["best", "me"]) == [CARMEN]
    assert chosen([], ["best,madrid"]) == [BOB, CARMEN, MYSELF]


def test_a_selector_that_means_nobody_is_answered_with_the_tags_there_are() -> None:
    told = complaint(["best", "madird"])
    assert told.startswith("--to 'madird' matches nobody: no tag, name or peer is 'madird'")
    assert "Did you mean 'Madrid'?" in told
    assert told.endswith("(the tags: best, family, Madrid)")


def test_a_mistyped_exclusion_stops_too_also_when_nobody_else_is_meant_by_it() -> None:
    assert complaint([], ["@anna"]).startswith("--exclude '@anna' matches nobody")
    assert chosen(["@bob"], ["@ana"]) == [BOB]  # it means somebody, who was not selected anyhow


def test_only_the_part_that_nobody_has_is_named() -> None:
    assert "is 'xyz' (" in complaint(["best,xyz"])
    assert "each part of it matches somebody, but nobody matches all of them" in complaint(
        ["best,family"]
    )


def test_every_selector_that_means_nobody_is_named() -> None:
    assert len(complaint(["uno", "best", "dos"], ["tres"]).splitlines()) == 3


def test_the_complaint_comes_after_the_last_contact() -> None:
    answers = select(EVERYBODY, ["best", "nobody"], [])
    assert [next(answers), next(answers)] == [ANA, BOB]
    with pytest.raises(SelectorError):
        next(answers)


@pytest.mark.parametrize("text", ["", "  ", ",", "best,", ",best", "a,,b"])
def test_an_empty_selector_is_refused_before_any_contact_is_read(text: str) -> None:
    for to, exclude in (([text], []), ([], [text])):
        with pytest.raises(SelectorError, match="empty selector"):
            select(EVERYBODY, to, exclude)


def test_an_audience_of_nobody_is_a_mistake() -> None:
    assert complaint(["@ana"], ["best"]).startswith("nobody is left: --exclude")
    with pytest.raises(SelectorError, match="the contact list is empty"):
        list(select([], [], []))


def test_the_tags_in_a_complaint_are_sorted_and_not_endless() -> None:
    many = [contact(str(number), "", f"tag{number:05}") for number in range(1, 5_000)]
    with pytest.raises(SelectorError) as caught:
        list(select(reversed(many), ["zzz"], []))
    assert len(str(caught.value)) < 400
    assert str(caught.value).endswith("and 980 more)")


def test_a_list_without_tags_says_so() -> None:
    with pytest.raises(SelectorError, match="nobody in the list has a tag"):
        list(select([MYSELF], ["best"], []))


# Laws.

terms = st.sampled_from(["a", "b", "c", "A", "@ana", "@bob", "name", "x, y", "a,b", "b,@ana"])
people = st.lists(
    st.builds(
        contact,
        st.sampled_from(["@ana", "@bob", "me", "1", "2"]),
        st.sampled_from(["", "Name", "x, y", "c"]),
        st.sampled_from(["a", "B"]),
    ),
    max_size=5,
    unique_by=lambda person: person.peer.key,
)


@given(people, st.lists(terms, max_size=3), st.lists(terms, max_size=3))
def test_each_contact_is_selected_or_not_exactly_once_and_as_its_selectors_say(
    everybody: list[Contact], to: list[str], exclude: list[str]
) -> None:
    answers = select(everybody, to, exclude)
    got: list[Contact] = []
    failed = False
    try:
        for one in answers:
            got.append(one)  # noqa: PERF402 - what came before the error counts
    except SelectorError:
        failed = True

    def means(texts: list[str], one: Contact) -> bool:
        return any(Selector(text).matches(one) for text in texts)

    assert got == [
        one for one in everybody if (not to or means(to, one)) and not means(exclude, one)
    ]
    idle = [text for text in (*to, *exclude) if not any(means([text], one) for one in everybody)]
    assert failed == (bool(idle) or not got)


@given(people, st.lists(terms, min_size=1, max_size=3))
def test_who_is_excluded_and_who_is_selected_by_the_same_words_are_everybody(
    everybody: list[Contact], words: list[str]
) -> None:
    def outcome(to: list[str], exclude: list[str]) -> list[Contact]:
        got: list[Contact] = []
        try:
            for one in select(everybody, to, exclude):
                got.append(one)  # noqa: PERF402 - what came before the error counts
        except SelectorError:
            pass
        return got

    both = [*outcome(words, []), *outcome([], words)]
    assert sorted(one.peer.key for one in both) == sorted(one.peer.key for one in everybody)


@given(people, st.lists(terms, max_size=3))
def test_what_is_compared_alike_chooses_alike(everybody: list[Contact], words: list[str]) -> None:
    """Law: case, order, spaces and repetition change neither who is chosen nor what is compared."""
    other = [f"  {','.join(reversed(word.split(',')))} ".upper() for word in reversed(words)]
    assert as_compared(words) == as_compared([*other, *words])
    words = [word for word in words if word != "x, y"]  # somebody's whole name, in its order
    for one in everybody:
        assert any(Selector(word).matches(one) for word in words) == any(
            Selector(word).matches(one) for word in as_compared(words)
        )


def test_a_peer_is_the_same_in_any_spelling() -> None:
    spellings = ("@Ana", "https://t.me/ana", " @ANA")
    assert {as_compared([text]) for text in spellings} == {("@ana",)}
    assert as_compared(["+34 600 000 001", "me", "123"]) == ("+34600000001", "123", "me")
    assert as_compared(["best,madrid"]) != as_compared(["best", "madrid"])


@given(st.text())
def test_any_text_is_a_selector_or_an_empty_one(text: str) -> None:
    try:
        Selector(text).matches(ANA)
    except SelectorError:
        assert any(not part.strip() for part in text.split(","))


def test_an_exclusion_of_those_who_are_both_is_asked_about_where_others_are_one() -> None:
    people = [
        contact("@ana", "Ana", "family", "work"),
        contact("@ben", "Ben", "family"),
        contact("@carl", "Carl", "Work"),
        contact("@dora", "Dora"),
        contact("@eva", "Ruiz, Eva"),
    ]
    asked: list[Question] = []
    assert len(list(select(people, [], ["family,work", "Ruiz, Eva"], asked))) == 3
    (question,) = asked
    assert (question.code, question.count, question.is_doubt) == (Ask.EXCLUDED_TOGETHER, 2, False)
    assert question.told == (
        "--exclude 'family,work' leaves out 1 person who has all of it, and not 2 people with a "
        "part of it, as commas mean and; to leave those out, too: --exclude 'family' --exclude "
        "'work'"
    )
    nothing: list[Question] = []
    for to, exclude in (
        ([], ["family"]),
        (["family,work"], []),
        ([], ["family,work", "family", "work"]),
        (["dora", "ana"], ["family,work"]),
    ):
        list(select(people, to, exclude, nothing))
    assert nothing == []
