"""A template that nobody said is one is found, whatever is in the list."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.core.errors import ContactsError, MessageError
from broadcast.core.model import Button, Contact, Format, Message
from broadcast.core.peers import parse_peer
from broadcast.message.braces import NAMES, left_over, unfilled, would_be_filled
from broadcast.message.schema import fields_of
from broadcast.message.templates import names_of
from broadcast.service.checks import require_sendable

NOW = datetime(2026, 12, 24, 18, 0, tzinfo=UTC)
FIELDS = {"city": "Madrid", "Order No": "7", "straße": "x"}
ANA = Contact(parse_peer("@ana"), "Ana", fields=FIELDS, line=3)
BEN = Contact(parse_peer("@ben"), "Ben", line=4)
BRACES = st.sampled_from(
    ["{{%s}}", "{{ %s }}", "{{ %s | upper }}", "{{- %s -}}", "{%s}", "{ %s }", "${%s}", "{%s!r}"]
)
STATEMENTS = ["{%% if %s %%}a{%% endif %%}", "{%%- for x in %s %%}", "{%% set a = %s %%}"]


def spelled(name: str) -> st.SearchStrategy[str]:
    """The ways in which a person writes a name."""
    ways = [name, name.upper(), name.title(), name.replace("_", " "), name.replace("_", "-")]
    return st.sampled_from(ways)


def refused(message: Message, *audience: Contact) -> str:
    with pytest.raises(MessageError) as caught:
        require_sendable(message, audience, "list", NOW)
    return str(caught.value)


def test_the_names_are_those_that_templates_know() -> None:
    assert set(NAMES) == set(names_of(BEN, NOW))


@given(
    st.sampled_from([*NAMES, *FIELDS]).flatmap(spelled),
    BRACES,
    st.sampled_from(["", "Hi ", "{x} {{ 1 }} "]),
    st.sampled_from([*Format]),
)
def test_a_name_in_braces_is_refused_until_somebody_says_what_it_is(
    name: str, braces: str, before: str, markup: Format
) -> None:
    written = braces % name
    message = Message(f"{before}{written}!", markup)
    told = refused(message, BEN, ANA)
    assert "--template" in told
    assert "--no-template" in told
    assert told.endswith("nothing was sent")
    require_sendable(Message(message.text, markup, literal=True), [BEN, ANA], "list", NOW)


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("name", ["city", "nothing"])
def test_a_statement_is_a_template(statement: str, name: str) -> None:
    assert "because it is no template" in refused(Message(statement % name), ANA)


@given(st.text(st.characters(exclude_characters="{}", exclude_categories=["Cs"])))
def test_without_braces_there_is_nothing_to_fill_in(text: str) -> None:
    assert not unfilled(Message(text))
    assert left_over(Message(text)) is None


@pytest.mark.parametrize(
    "text", ["{}", "{1}", "set {a, b}", "{{ cty }}", "{nobody}", '{{ "name" }}', "%name%", "f{x}"]
)
def test_other_braces_are_braces(text: str) -> None:
    assert would_be_filled(unfilled(Message(text)), FIELDS) is None
    require_sendable(Message(text), [ANA, BEN], "list", NOW)


def test_a_field_of_another_list_is_no_field() -> None:
    require_sendable(Message("{city}"), [BEN], "list", NOW)
    assert "Ana has a field of that name" in refused(Message("{city}"), BEN, ANA)


def test_a_button_is_filled_in_like_the_text() -> None:
    for button in (Button("For {name}", "https://a.b"), Button("A", "https://a.b/?{{name}}")):
        assert "{name}" in refused(Message("x", buttons=((button,),)), ANA)


def test_a_template_is_filled_in_and_a_contact_may_say_otherwise() -> None:
    require_sendable(Message("{{ name }}", template=True), [ANA, BEN], "list", NOW)
    own = {"text": "Dear {{ name }}"}
    with pytest.raises(ContactsError) as caught:
        require_sendable(Message("x"), [ANA, contact_with(own)], "list", NOW)
    (problem,) = caught.value.problems
    assert (problem.line, "Ben: the message says {{ name }}" in problem.message) == (4, True)
    require_sendable(Message("x"), [contact_with(own | {"template": True})], "list", NOW)
    require_sendable(Message("x", literal=True), [contact_with(own)], "list", NOW)
    said = fields_of({"template": "no", "text": "Dear {{ name }}"}, look, NOW)
    require_sendable(Message("x"), [contact_with(said)], "list", NOW)
    with pytest.raises(ContactsError):  # everybody's template, but not theirs
        require_sendable(
            Message("x", template=True), [contact_with(own | {"template": False})], "list", NOW
        )


def contact_with(own: dict[str, object]) -> Contact:
    return Contact(parse_peer("@ben"), "Ben", line=4, overrides=own)


def look(path: str, **_: object) -> object:
    raise AssertionError(path)


@pytest.mark.parametrize(
    ("text", "is_template", "left"),
    [
        ("Hi {{ cty }}", False, "{{ cty }}"),
        ("Hi {# cty #}", False, "{# cty #}"),
        ("Hi {cty}", False, None),
        ("Hi {first_name}, {{ name }}", True, "{first_name}"),
        ("Hi {{ name }} {x}", True, None),
        ("Hi {{ '{name}' }}", True, None),
    ],
)
def test_what_is_left_in_braces_is_found(text: str, is_template: bool, left: str | None) -> None:
    assert left_over(Message(text, template=is_template)) == left
    assert left_over(Message(text, template=is_template, literal=True)) is None
