"""What a template says, what it refuses, and that it always ends soon."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from broadcast.core.errors import MessageError
from broadcast.core.model import Contact
from broadcast.core.peers import parse_peer
from broadcast.message.filters import MOST_CHARACTERS
from broadcast.message.placeholders import PLACEHOLDER, fill
from broadcast.message.templates import Template, _short_way, names_of, template

NOW = datetime(2026, 12, 4, 18, 5, tzinfo=UTC)
ANA = Contact(
    parse_peer("@ana"),
    "Ana Ruiz",
    ("best", "madrid"),
    {"city": "Madrid", "count": "3", "price": "1234.5", "my field": "x", "born": "1990-12-04"},
)


def rendered(source: str, contact: Contact = ANA) -> str:
    return fill(*template(source).render(names_of(contact, NOW)))


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("Ana Ruiz", "Ana"),
        ("Ana", "Ana"),
        ("Ruiz, Carmen", "Carmen"),
        ("Ruiz Soler,Carmen María", "Carmen"),
        ("Dr. José", "José"),
        ("Dr. José Ruiz", "José"),
        ("Prof. Dr. Eva Maier", "Eva"),
        ("Ruiz, Dra. Carmen", "Carmen"),
        ("Sra Carmen", "Carmen"),
        ("Dr.", "Dr."),
        ("Ruiz, Inc.", "Ruiz, Inc."),
        ("Ruiz & Co, S.L.", "Ruiz & Co, S.L."),
        ("Ana Ruiz, PhD", "Ana Ruiz, PhD"),
        ("Ruiz, Carmen, Eva", "Ruiz, Carmen, Eva"),
        (", Ana", ", Ana"),
        ("Ana,", "Ana,"),
    ],
)
def test_a_first_name_is_one_or_the_whole_name(name: str, first: str) -> None:
    assert rendered("{{ first_name }}", Contact(parse_peer("me"), name)) == first


@given(st.text())
def test_a_first_name_is_a_part_of_the_name_and_there_when_the_name_is(name: str) -> None:
    assume(name.strip())
    first = names_of(Contact(parse_peer("me"), name), NOW)["first_name"]
    assert first in (name, *re.split(r"[ ,]|\s", name))


def refused(source: str, contact: Contact = ANA) -> str:
    with pytest.raises(MessageError) as caught:
        rendered(source, contact)
    return str(caught.value)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Hi {{ first_name }}", "Hi Ana"),
        ("{{ name }} {{ peer }} {{ tags }}", "Ana Ruiz @ana best, madrid"),
        ("{{ city }} {{ fields.city }} {{ fields['my field'] }}", "Madrid Madrid x"),
        ("{{ now }} {{ now.year }}", "2026-12-04 18:05 2026"),
        (
            "{{ now|date }} {{ born|date('%-d %B') }} {{ now|date('%d%%') }}",
            "2026-12-04 4 December 04%",
        ),
        ("{% if born|date('%m-%d') == now|date('%m-%d') %}birthday{% endif %}", "birthday"),
        (
            "{{ price|money }} {{ price|money('€') }} {{ price|money('EUR') }}",
            "1,234.50 €1,234.50 1,234.50 EUR",
        ),
        ("{{ price|money('€', thousands='.', point=',', after=true) }}", "1.234,50 €"),
        ("{{ '-0.005'|money('$') }} {{ 2|money('¥', 0) }}", "-$0.01 ¥2"),
        (
            "{{ nick|default('friend') }} {{ ''|d('x') }} {{ 0|d('x') }} {{ city|d('x') }}",
            "friend x 0 Madrid",
        ),
        ("{{ fields.nick|default('a') }} {{ fields['nick']|default('b') }}", "a b"),
        ("{{ count }} {{ count|plural('car', 'cars') }}", "3 cars"),
        ("{{ 1|plural('car', 'cars') }} {{ 0|plural('a', 'b', zero='no') }}", "car no"),
        ("{{ 21|plural('рубль', 'рублей', few='рубля') }}", "рубль"),
        ("{{ 22|plural('рубль', 'рублей', few='рубля') }}", "рубля"),
        ("{{ 12|plural('рубль', 'рублей', few='рубля') }}", "рублей"),
        ("{{ count|int + 1 }} {{ 7 // 2 }} {{ price|round }}", "4 3 1235"),
        ("{{ 'a' ~ count ~ 1 }} {{ 'x' if nobody is defined }}|", "a31 |"),
        (
            "{% for tag in tags %}{{ loop.index }}{{ tag }}{{ ', ' if not loop.last }}{% endfor %}",
            "1best, 2madrid",
        ),
        (
            "{% for a in [1, 2] %}{% for b in range(2) %}{{ a }}{{ b }} {% endfor %}{% endfor %}",
            "10 11 20 21 ",
        ),
        ("{% set x = city|upper %}{{ x }} {{ name.split()[1] }}", "MADRID Ruiz"),
        ("{{ {'es': 'Hola'}.es }} {{ 'a b&c'|urlencode }}", "Hola a%20b%26c"),
        ("{% raw %}{{ name }}{% endraw %}{# nothing #}", "{{ name }}"),
        ("a\n{% if true %}\nb\n{% endif %}\nc\n", "a\nb\nc\n"),
        ("no braces: { } 100 % #", "no braces: { } 100 % #"),
    ],
)
def test_a_template_says_it(source: str, text: str) -> None:
    assert rendered(source) == text


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (
            "a\n{{ cty }}",
            "line 2 of the template: this contact has no 'cty'. Did you mean city?",
        ),
        ("{{ fields.cty }}", "this contact has no 'cty'. Did you mean city?"),
        ("{{ zzz }}", "there is peer, tags, now, name, first_name, city, count, price, born"),
        ("{{ zzz }}", '{{ zzz|default("…") }}'),
        ("{% if zzz %}{% endif %}", "no 'zzz'"),
        ("{% if zzz == 1 %}{% endif %}", "no 'zzz'"),
        ("{% for x in zzz %}{% endfor %}", "no 'zzz'"),
        ("{{ zzz|upper }}", "no 'zzz'"),
        ("a\n\n{{ name", "line 3 of the template: unexpected end"),
        ("{% if %}", "line 1"),
        ("{{ name|safe }}", "leave |safe out"),
        ("{{ name|moneys }}", "there is no filter moneys: did you mean money?"),
        ("{{ name is odds }}", "there is no test odds: did you mean odd?"),
        ("{{ name|money }}", "'Ana Ruiz' is not a number: write it like 1234.50"),
        ("{{ name|date }}", "'Ana Ruiz' is not a date: write it like 2026-12-24"),
        ("{{ now|date('%Q') }}", "a date has no %Q"),
        ("{% if count > 2 %}{% endif %}", "it becomes one with |int"),
        ("{{ count + 1 }}", "|int"),
        ("{{ 1 / 0 }}", "divides by zero"),
        ("{{ fields }}", "a set of fields cannot be written"),
        ("{{ none }}", "nothing cannot be written"),
        ("{% include 'x' %}", "{% include %} cannot be used"),
        ("{% import 'x' as y %}", "cannot be used"),
        ("{% from 'x' import y %}", "cannot be used"),
        ("{% extends 'x' %}", "cannot be used"),
        ("{% macro f() %}{% endmacro %}", "{% macro %} cannot be used"),
        ("{% block f %}{% endblock %}", "cannot be used"),
        ("{% set x %}a{% endset %}", "cannot be used"),
        ("{% filter upper %}a{% endfilter %}", "cannot be used"),
        ("{% for x in tags recursive %}{% endfor %}", "cannot be recursive"),
        ("{{ range(*tags) }}", "* and **"),
        ("{{ name.__class__ }}", "has no '__class__'"),
        ("{{ name['format'] }}", "has no 'format'"),
        ("{{ range.__globals__ }}", "has no"),
        ("{{ now.strftime('%Y') }}", "can be called"),
        ("{{ cycler(1) }}", "can be called"),
    ],
)
def test_what_is_wrong_is_reported_with_its_line_and_what_fixes_it(source: str, told: str) -> None:
    message = refused(source)
    assert told in message
    assert message.startswith("line ")
    assert message.endswith(("; nothing was sent", "? Nothing was sent"))


def test_an_empty_name_is_as_good_as_absent() -> None:
    nobody = Contact(parse_peer("@bob"))
    assert "this contact has no name" in refused("Hi {{ first_name }}", nobody)
    assert rendered("Hi {{ name|default('friend') }}{{ tags }}", nobody) == "Hi friend"


def test_a_field_stands_for_itself() -> None:
    own = Contact(
        parse_peer("@bob"), "Bob", (), {"first_name": "Bobby", "now": "never", "self": "I"}
    )
    assert rendered("{{ first_name }} {{ now }} {{ fields.self }}", own) == "Bobby never I"


BOMBS = {
    "a long range": "{% for i in range(10**9) %}x{% endfor %}",
    "nested loops": "{% for i in range(4000) %}{% for j in range(4000) %}x{% endfor %}{% endfor %}",
    "nested loops that write nothing": "{% for i in range(4000) %}" * 9 + "{% endfor %}" * 9,
    "a loop with a large body": "{% for i in range(4000) %}"
    + "{% if not i %}{% endif %}" * 2000
    + "{% endfor %}",
    "a long text between many": "{{ range(4000)|join(long) }}",
    "a long list": "{{ range(5000)|length }}",
    "a long form of a date": "{{ now|date('%B' ~ long) }}",
    "a loop over a long text": "{% for i in long ~ long ~ long %}x{% endfor %}",
    "a loop that repeats a long text": "{% for i in range(4000) %}" + "y" * 30_000 + "{% endfor %}",
    "a loop that writes a long value": "{% for i in range(4000) %}{{ long }}{% endfor %}",
    "a loop that cuts": "{% for i in range(4000) %}{{ long[1:] }}{% endfor %}",
    "a loop that compares": "{% for i in range(4000) %}{{ 'z' in long }}{% endfor %}",
    "a loop that compares lists": "{% set a = range(4000)|list %}{% for i in range(4000) %}"
    "{{ -1 in a }}{% endfor %}",
    "a loop that calls": "{% for i in range(4000) %}{{ long.upper().lower() }}{% endfor %}",
    "a loop that filters": "{% for i in range(4000) %}{{ long|upper|length }}{% endfor %}",
    "a loop that sorts": "{% for i in range(4000) %}{{ range(4000)|sort|length }}{% endfor %}",
    "a loop that sorts what is in no order": "{% for i in range(4000) %}{{ mixed|sort|length }}"
    "{% endfor %}",
    "a loop that escapes": "{% for i in range(4000) %}{{ ('?' ~ long[:20000])|urlencode|length }}"
    "{% endfor %}",
    "a loop that spreads": "{% for i in range(4000) %}{{ long|unique|length }}{% endfor %}",
    "a loop that joins": "{% for i in range(99) %}{{ range(4000)|join('xxx')|length }}{% endfor %}",
    "a text times a number": "{{ 'x' * 10**9 }}",
    "a list times a number": "{{ [1] * 10**9 }}",
    "center": "{{ 'x'|center(10**9) }}",
    "center, the method": "{{ 'x'.center(10**9) }}",
    "center, by another name": "{% set c = 'x'.center %}{{ c(10**9) }}",
    "format": "{{ '%1000000000d'|format(1) }}",
    "format, the operator": "{{ '%1000000000d' % 1 }}",
    "format, the method": "{{ '{:1000000000}'.format(1) }}",
    "a tower of powers": "{{ 10**10**9 }}",
    "a large power": "{{ 2**100000000 }}",
    "products": "{% set a = 3**70 %}" + "{% set a = a * a %}" * 40 + "{{ a }}",
    "doubling a text": "{% set a = 'xx' %}" + "{% set a = a ~ a %}" * 60 + "{{ a }}",
    "doubling a text with +": "{% set a = 'xx' %}" + "{% set a = a + a %}" * 60 + "{{ a }}",
    "doubling a list": "{% set a = [1] %}" + "{% set a = a + a %}" * 60 + "{{ a }}",
    "a list of lists": "{% set a = [1, 1] %}" + "{% set a = [a, a] %}" * 60 + "{{ a }}",
    "a table of lists": "{% set a = [1] %}" + "{% set a = {1: a, 2: a} %}" * 60 + "{{ a == a }}",
    "a pair of pairs": "{% set a = (1, 1) %}" + "{% set a = (a, a) %}" * 60 + "{{ a }}",
    "doubling by replace": "{% set a = long %}"
    + "{% set a = a|replace('x', long) %}" * 9
    + "{{ a }}",
    "an amount of many digits": "{{ '1e999999999'|money }}",
    "money with many decimals": "{{ 1|money('', 1000000000) }}",
    "rounding to nothing": "{{ 5|round(-1000000000) }}",
    "a date with a width": "{{ now|date('%1000000000d') }}",
    "brackets": "{{ " + "(" * 9000 + "1" + ")" * 9000 + " }}",
    "a long sum": "{{ " + "1 + " * 9000 + "1 }}",
    "a long negation": "{{ " + "not " * 9000 + "1 }}",
    "many attributes": "{{ name" + ".a" * 9000 + " }}",
    "many conditions": "{% if name %}" * 200 + "{% endif %}" * 200,
    "a number of many digits": "{{ " + "9" * 60_000 + " }}",
    "a hexadecimal number": "{{ 0x" + "f" * 60_000 + " }}",
    "a long template": "x" * (MOST_CHARACTERS + 1),
    "much output": "{{ long }}" * 9,
}


@pytest.mark.timeout(20)  # what is not stopped by its count takes minutes, or all of the memory
@pytest.mark.parametrize("name", BOMBS)
def test_every_template_ends_soon(name: str) -> None:
    mixed = tuple(str(number * 7919 % 4001) for number in range(2000))
    names = names_of(ANA, NOW) | {"long": "x" * 60_000, "mixed": mixed}
    with pytest.raises(MessageError):
        template(BOMBS[name]).render(names)


@given(st.text(st.characters(exclude_characters="{\r", exclude_categories=["Cs"])))
def test_a_template_without_braces_is_what_it_is(text: str) -> None:
    assert rendered(text) == text


@given(st.text(max_size=40), st.text(st.sampled_from("a\ufdd0\ufddf\ufde0\ufdef")))
def test_a_value_is_kept_whatever_it_is_and_whatever_stands_around(value: str, around: str) -> None:
    text, values = template(around + "{{ value }}" + around).render({"value": value})
    assert fill(text, values) == around + value + around
    assert PLACEHOLDER.sub("", text).strip("a") == ""
    assert value in values


WORDS = """
    {{ }} {% %} {# #} for endfor if endif else set in is not defined range( ) ( [ ] . , : | ** * + ~
    == - 'a' 1 99999 name tags fields x now loop upper join sort default date replace money int
    first split slice
"""


@given(st.lists(st.sampled_from(WORDS.split()), max_size=30).map(" ".join))
def test_nothing_but_a_message_error_ever_comes_out(source: str) -> None:
    for tried in (
        source,
        "{{ " + source + " }}",
        "{% for x in tags %}{{ " + source + " }}{% endfor %}",
    ):
        try:
            rendered(tried)
        except MessageError as error:
            assert "othing was sent" in str(error)  # noqa: PT017 - both ways are right


PIECES = [
    "Hi ", "{{ name }}", "{{ city }}", "{{ tags }}", "{{ now }}", "{{ missing }}", "{{ fields }}",
    "{{ range }}", "{{ true }}", "{{ 'a' }}", "{{ city|upper }}", "{% raw %}{{ city }}{% endraw %}",
    "{# no #}", "\ufdd0", "\n", "{{ long }}",
]  # fmt: skip


@given(
    st.lists(st.sampled_from(PIECES), max_size=8).map("".join),
    st.dictionaries(st.sampled_from(["name", "city", "range", "first_name"]), st.text(max_size=5)),
    st.sampled_from([1, MOST_CHARACTERS // 2, MOST_CHARACTERS]),
)
def test_the_short_way_through_a_template_says_what_the_long_one_says(
    source: str, fields: dict[str, str], size: int
) -> None:
    names = names_of(ANA, NOW) | fields | {"long": "x" * size}
    long_way = Template(source)
    long_way._plain = None
    told: list[object] = []
    for way in (Template(source), long_way):
        try:
            told.append(way.render(names))
        except MessageError as error:
            told.append(str(error))
    assert told[0] == told[1]


def test_text_and_names_take_the_short_way() -> None:
    short = Template("Hi {{ first_name }} of {{ city }}!\n")._plain
    assert short is not None
    found = _short_way(short, names_of(ANA, NOW))
    assert found is not None
    assert fill(*found) == "Hi Ana of Madrid!\n"
