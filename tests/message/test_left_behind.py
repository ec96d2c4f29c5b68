"""Words that a spreadsheet or a program left behind, in what a template would fill in."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.core.asker import Ask, Question
from broadcast.core.model import Button, Contact, Message
from broadcast.core.peers import parse_peer
from broadcast.service.checks import require_sendable

NOW = datetime(2026, 12, 4, tzinfo=UTC)
WORDS = (  # noqa: SIM905 - read as words, not as a column
    "nan NaN None NULL null undefined NaT <NA> N/A #N/A #REF! #VALUE! #DIV/0! #NAME? #NUM! #NULL!"
    " #¡REF! #BEZUG! #WERT! #NV ##### 3.46E+10 3,46E+10"
    " #ССЫЛКА! #\u041d/Д #ИМЯ? #DEĞER! #YOK #NENÍ_K_DISPOZICI! #N/D #I/T #SPILL! Loading..."
).split()
ORDINARY = [
    "José",
    "„MENÜ“",
    "Müller…",
    "山田",
    "Łukasz",
    "Nan",
    "Null",
    "Madrid",
    "#1",
    "#vip",
    "none of it",
    "A",
    "-",
    "0",
    "nan bread",
    "#",
]
USES = "{{ City }} {% if tags %}x{% endif %}"


def contact(name: str = "Ana", line: int = 7, **fields: str) -> Contact:
    return Contact(parse_peer("@ana"), name, (), fields, line)


def asked(text: str, *contacts: Contact, **given: object) -> tuple[Question, ...]:
    message = Message(text, template=True, **given)  # type: ignore[arg-type]
    return require_sendable(message, contacts, "list", NOW)


@pytest.mark.parametrize("word", [*WORDS, "nan nan"])
def test_a_word_that_would_be_filled_in_is_asked_about_with_field_person_and_line(
    word: str,
) -> None:
    (question,) = asked(USES, contact(city="Rome"), contact("Bob", 9, city=word, note="NULL"))
    assert (question.code, question.count) == (Ask.SPREADSHEET_WORDS, 1)
    assert question.told.startswith("1 person would get a word")
    assert question.told.endswith(f": Bob (line 9) has city {word}")


@pytest.mark.parametrize("name", ["nan", "nan Ruiz", "Ruiz, nan", "Dr. nan Ruiz"])
def test_a_first_name_that_is_such_a_word_is_asked_about(name: str) -> None:
    (question,) = asked("Hi {{ first_name }}", contact(name))
    assert question.told.endswith(f" has the name {name}")


@pytest.mark.parametrize("value", ["Jos\u00c3\u00a9", "caf\ufffd con leche, y muy largo"])
def test_letters_in_a_wrong_encoding_are_asked_about(value: str) -> None:
    (question,) = asked("{{ name }} {{ city }}", contact(value, city=value))
    assert question.told.endswith(f"{value} (line 7) has the name {value} and city {value}")


@pytest.mark.parametrize("value", ORDINARY)
def test_ordinary_words_are_not_asked_about(value: str) -> None:
    assert asked("{{ city }} {{ name }}", contact(value, city=value)) == ()


@pytest.mark.parametrize(
    "text",
    [
        "{{ fields.city }}",
        "{{ fields['CITY'] }}",
        "{% for name in fields %}{{ fields[name] }}{% endfor %}",
        "{{ city|upper }}",
        "{% set x = city %}{{ x }}",
    ],
)
def test_a_field_is_found_however_the_template_takes_it(text: str) -> None:
    assert [each.count for each in asked(text, contact(city="#N/A"))] == [1]


@pytest.mark.parametrize("text", ["Hi", "{{ note }}", "{{ fields.note }}", "{{ peer }}"])
def test_a_field_that_is_not_used_is_not_asked_about(text: str) -> None:
    assert asked(text, contact("nan", city="#N/A", note="x")) == ()


def test_a_message_that_is_no_template_is_not_asked_about() -> None:
    assert require_sendable(Message("Hi"), [contact(city="#N/A")], "list", NOW) == ()


def test_names_buttons_and_messages_of_their_own_count_too() -> None:
    assert asked("Hi {{ first_name }}", contact("nan Ruiz"))[0].told.endswith("the name nan Ruiz")
    assert asked("Hi {{ name }}", contact("None"))[0].count == 1
    button = ((Button("Buy", "https://e.org/{{ city }}"),),)
    assert [each.count for each in asked("Hi", contact(city="NULL"), buttons=button)] == [1]
    own = Contact(
        parse_peer("@bob"), "Bob", (), {"city": "NULL"}, 3, {"text": "{{ city }}", "template": True}
    )
    assert [each.count for each in require_sendable(Message("Hi"), [own], "list", NOW)] == [1]


@given(st.lists(st.sampled_from(["Rome", *WORDS]), min_size=1, max_size=12))
def test_everybody_who_would_get_one_is_counted_and_the_first_are_named(values: list[str]) -> None:
    people = [contact(f"P{line}", line, city=value) for line, value in enumerate(values, 1)]
    wrong = [one for one in people if one.fields["city"] != "Rome"]
    questions = asked(USES, *people)
    assert [each.count for each in questions] == ([len(wrong)] if wrong else [])
    for question in questions:
        assert all(f"P{one.line} (line {one.line})" in question.told for one in wrong[:3])
        assert question.told.endswith("…") is (len(wrong) > 3)
