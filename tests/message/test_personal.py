from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.core.errors import MessageError
from broadcast.core.model import Button, Contact, Format, Message
from broadcast.core.peers import parse_peer
from broadcast.message.cleaning import clean
from broadcast.message.personal import personal, problems
from broadcast.message.placeholders import fill
from broadcast.message.text import check

NOW = datetime(2026, 12, 24, 18, 0, tzinfo=UTC)
ANA = Contact(parse_peer("@ana"), "Ana Ruiz", (), {"city": "Madrid"}, line=2)
BOB = Contact(parse_peer("@bob"), "Bob", line=3)
HELLO = Message("Hi {{ first_name }} in {{ city }}", template=True, silent=True)


def test_a_template_is_rendered_for_its_recipient() -> None:
    made = personal(HELLO, ANA, NOW)
    assert fill(made.text, made.values) == "Hi Ana in Madrid"
    assert made.values == ("Ana", "Madrid")
    assert made.silent
    assert not made.template


def test_what_is_not_a_template_keeps_its_braces_and_is_the_same_for_all() -> None:
    message = Message("Hi {{ first_name }} {%")
    assert personal(message, ANA, NOW) is message


def test_what_a_contact_has_otherwise_comes_first() -> None:
    other = replace(ANA, overrides={"text": "*{{ city }}*", "format": Format.HTML, "silent": False})
    made = personal(HELLO, other, NOW)
    assert fill(made.text, made.values) == "*Madrid*"
    assert (made.format, made.silent) == (Format.HTML, False)


SHOP = Message(
    "Hi",
    template=True,
    buttons=(
        (Button("For {{ first_name }}", "https://e.org/?c={{ city|urlencode }}"),),
        (Button("Plain {", "https://e.org"), Button("Map", "{{ link }}")),
    ),
)


def test_buttons_are_rendered_with_the_text() -> None:
    fields = {"city": "a&b c", "link": "https://e.org/1"}
    made = personal(SHOP, replace(ANA, name="*A_ <b> {{ x }}", fields=fields), NOW)
    assert made.buttons == (
        (Button("For *A_", "https://e.org/?c=a%26b%20c"),),
        (Button("Plain {", "https://e.org"), Button("Map", "https://e.org/1")),
    )


@given(st.text())
def test_any_value_arrives_in_a_button_cleaned(value: str) -> None:
    button = Button("<{{ value }}>", "https://e.org/?q={{ value|urlencode }}&r")
    contact = replace(ANA, fields={"value": value})
    ((made,),) = personal(replace(SHOP, buttons=((button,),)), contact, NOW).buttons
    assert made.text == f"<{clean(value)}>"
    assert unquote(made.url.removeprefix("https://e.org/?q=").removesuffix("&r")) == value


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            {"city": "Madrid"},
            "the button 'Map': line 1 of the template: this contact has no 'link'",
        ),
        ({"city": "Madrid", "link": "ftp://e.org"}, "'Map' has 'ftp://e.org'"),
        ({"city": "Madrid", "link": "https://e.org/a b"}, "without spaces"),
    ],
)
def test_who_cannot_get_a_button_is_named_before(fields: dict[str, str], told: str) -> None:
    people = [replace(ANA, fields=fields, line=9)]
    (problem,) = problems(SHOP, people, NOW, check, "friends.yaml")
    assert str(problem).startswith("friends.yaml:9: Ana Ruiz: ")
    assert told in problem.message


def test_a_button_without_a_text_is_named_before() -> None:
    button = Button("{{ nick|default('') }}", "https://e.org")
    (problem,) = problems(replace(SHOP, buttons=((button,),)), [ANA], NOW, check, "friends.yaml")
    assert "the one with the link https://e.org has none" in problem.message


def test_a_wrong_template_in_a_button_is_told_once() -> None:
    message = replace(SHOP, buttons=((Button("{{ name", "https://e.org"),),))
    with pytest.raises(MessageError, match=r"the button '{{ name': line 1 of the template"):
        list(problems(message, [ANA, BOB], NOW, check, "friends.yaml"))


def test_all_who_cannot_get_it_are_named_before_anything_is_sent() -> None:
    long = replace(BOB, fields={"city": "x" * 5000}, line=7)
    found = list(problems(HELLO, [ANA, BOB, long], NOW, check, "friends.yaml"))
    assert [str(problem).partition(": ")[0] for problem in found] == [
        "friends.yaml:3",
        "friends.yaml:7",
    ]
    assert "Bob: line 1 of the template: this contact has no 'city'" in found[0].message
    assert "Bob: the message is too long: 5010 characters" in found[1].message
    assert all(problem.is_error for problem in found)


def test_a_template_that_is_wrong_for_all_is_told_once() -> None:
    with pytest.raises(MessageError, match="line 1 of the template"):
        list(problems(Message("{{ name", template=True), [ANA, BOB], NOW, check, "friends.yaml"))


def test_a_message_that_is_the_same_for_all_is_checked_once() -> None:
    checked: list[Message] = []
    assert list(problems(Message("Hi"), [ANA, BOB], NOW, checked.append, "friends.yaml")) == []
    assert len(checked) == 1


def test_a_message_s_text_and_values_are_in_no_repr() -> None:
    own = replace(
        ANA, fields={"city": "Madrid", "link": "https://e.org"}, overrides={"text": "Hey"}
    )
    for seen in (repr(personal(HELLO, ANA, NOW)), repr(personal(SHOP, own, NOW)), repr(own)):
        assert not any(secret in seen for secret in ("Madrid", "e.org", "Hey", "For Ana"))


def test_all_else_of_a_message_stays_as_it_was() -> None:
    marked = Message(
        "Hi {{ name }}",
        Format.HTML,
        template=True,
        split=True,
        silent=True,
        pin=True,
        reply_to=7,
        effect=8,
        late=9.0,
    )
    ana = Contact(parse_peer("@ana"), "Ana")
    made = personal(marked, ana, NOW)
    assert replace(made, text=marked.text, values=(), template=True) == marked
