"""The contact list: three forms, one meaning, and every complaint with its line."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from broadcast.core.errors import ContactsError, Problem, SettingsError
from broadcast.core.model import Contact
from broadcast.core.peers import parse_peer
from broadcast.forms import yaml_form as list_yaml
from broadcast.forms.encodings import as_utf8
from broadcast.forms.entries import Columns, Row, Unreadable
from broadcast.people.contacts import (
    MOST_MISTAKES,
    Kind,
    Seen,
    contact_of_entry,
    kind_of,
    plain_contact,
    read_contacts,
)
from broadcast.people.lists import load_audience

ROOT = Path(__file__).parents[2]
KINDS: tuple[Kind, ...] = ("yaml", "csv", "jsonl")


def read(
    text: str | bytes, kind: Kind = "yaml", encoding: str | None = None
) -> tuple[list[Contact], list[str]]:
    """What a list gives: the contacts, and each complaint as a person sees it."""
    raw = text if isinstance(text, bytes) else text.encode()
    contacts: list[Contact] = []
    problems: list[str] = []
    stream = io.BytesIO(raw)
    for found in read_contacts(stream, source="list", kind=kind, encoding=encoding):
        if isinstance(found, Contact):
            contacts.append(found)
        else:
            problems.append(("" if found.is_error else "warning ") + str(found))
    return contacts, problems


def contact(
    peer: str, name: str = "", tags: tuple[str, ...] = (), line: int = 0, **fields: str
) -> Contact:
    return Contact(parse_peer(peer), name, tags, fields, line)


def assert_says(problems: list[str], *expected: tuple[int, str]) -> None:
    """Exactly these complaints, in this order: each a line and a part of the message."""
    assert len(problems) == len(expected), problems
    for problem, (line, part) in zip(problems, expected, strict=True):
        assert problem.removeprefix("warning ").startswith(f"list:{line}: "), problem
        assert part in problem


# The same list in three forms.

PEOPLE = [
    contact("@ana", "Ana", ("best", "madrid"), city="Madrid"),
    contact("+34600000001", "Ruiz, Carmen", ("family",)),
    contact("123456789"),
    contact("https://t.me/edda", 'Edda "E" Ö', note="two\nlines"),
    contact("me"),
]
AS_YAML = """\
contacts:
  - name: Ana
    peer: "@ana"
    tags: [best, madrid]
    fields: {city: Madrid}
  - {peer: +34600000001, name: "Ruiz, Carmen", tags: family}
  - 123456789
  - peer: https://t.me/edda
    name: Edda "E" Ö
    fields:
      note: |
        two
        lines
  - me
"""
AS_CSV = """\
peer,name,tags,city,note
@ana,Ana,best;madrid,Madrid,
+34600000001,"Ruiz, Carmen",family,,
123456789
https://t.me/edda,"Edda ""E"" Ö",,,"two
lines"
me,,,,
"""
AS_JSONL = """\
{"peer": "@ana", "name": "Ana", "tags": ["best", "madrid"], "fields": {"city": "Madrid"}}
{"peer": "+34600000001", "name": "Ruiz, Carmen", "tags": "family"}
{"peer": 123456789}
{"peer": "https://t.me/edda", "name": "Edda \\"E\\" Ö", "fields": {"note": "two\\nlines"}}
"me"
"""


@pytest.mark.parametrize(
    ("kind", "text", "lines"),
    [
        ("yaml", AS_YAML, [2, 6, 7, 8, 14]),
        ("csv", AS_CSV, [2, 3, 4, 5, 7]),
        ("jsonl", AS_JSONL, [1, 2, 3, 4, 5]),
    ],
)
def test_each_form_gives_the_same_people_and_knows_their_lines(
    kind: Kind, text: str, lines: list[int]
) -> None:
    contacts, problems = read(text, kind)
    assert problems == []
    assert [found.line for found in contacts] == lines
    assert [without_line(found) for found in contacts] == PEOPLE


@pytest.mark.parametrize("name", ["contacts.example.yaml", "examples/contacts.csv"])
def test_the_examples_read_without_a_complaint(name: str) -> None:
    contacts, problems = read((ROOT / name).read_bytes(), kind_of(name))
    assert problems == []
    assert "username:bestie__username" in {found.peer.key for found in contacts}


def test_the_example_for_programs_holds_the_people_of_the_one_for_spreadsheets() -> None:
    of_programs, problems = read((ROOT / "examples/contacts.jsonl").read_bytes(), "jsonl")
    of_spreadsheets, _ = read((ROOT / "examples/contacts.csv").read_bytes(), "csv")
    assert problems == []
    assert [without_line(one) for one in of_programs] == [
        without_line(one) for one in of_spreadsheets
    ]


def test_the_example_shows_every_sort_of_peer_and_one_that_fails_in_the_sandbox() -> None:
    contacts, _ = read((ROOT / "contacts.example.yaml").read_bytes())
    assert {found.peer.kind for found in contacts} == {"username", "phone", "id", "me"}
    assert [found.peer.text for found in contacts][-1] == "@blocked_bruno"


def without_line(found: Contact) -> Contact:
    return Contact(found.peer, found.name, found.tags, dict(found.fields))


# What an entry may hold.


def test_all_mistakes_are_given_each_with_its_line() -> None:
    _, problems = read("""\
contacts:
  - name: X
    pear: 1
    name: Y
  - peer: ana
  - [a]
  - phone: +34600000001
  - peer: "+34"
    name: {a: b}
    tags: [a, "b,c", [d]]
    fields: {x: [1], peer: a, " ": b, x: c, x: d}
  - peer:
  - name: "bell\\a"
    peer: "@ana"
    tags: {a: b}
    fields: [a]
  - [a, b]: c
  - peer: "@ana"
    fields: "a"
    tags: ["tab\\tbed"]
""")
    assert_says(
        problems,
        (2, "the peer is missing"),
        (3, "unknown key 'pear': did you mean peer?"),
        (4, "the key name is given twice"),
        (5, "write @ana for a username"),
        (6, "expected a recipient or its keys, not a list"),
        (7, "unknown key 'phone': did you mean peer?"),
        (7, "the peer is missing"),
        (8, "is not a phone number"),
        (9, "name is a text, not keys with values"),
        (10, "a tag is a text, not a list"),
        (10, "the tag 'b,c' holds a comma"),
        (11, "the field x is a text, not a list"),
        (11, "a field cannot be called peer"),
        (11, "a field has no name"),
        (11, "the field x is given twice"),
        (12, "the peer is empty"),
        (13, "name holds the control character U+0007"),
        (15, "tags are a list, not keys with values"),
        (16, "fields are keys with values, not a list"),
        (17, "a key cannot be a list"),
        (17, "the peer is missing"),
        (18, "@ana is already in line 13"),
        (19, "fields are keys with values, not 'a'"),
        (20, "a tag holds the control character U+0009"),
    )


def test_a_key_that_is_none_is_answered_with_the_keys_there_are() -> None:
    _, problems = read("- {peer: me, zodiac: leo}")
    assert_says(problems, (1, "the keys are peer, name, tags, message and, for all else, fields"))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("yaml", '- "@ana"\n- peer: https://t.me/ANA\n  name: x\n- me'),
        ("csv", "peer,name\n@ana,\nhttps://t.me/ANA,x\nme,"),
        ("jsonl", '"@ana"\n\n{"peer": "https://t.me/ANA", "name": "x"}\n"me"'),
    ],
)
def test_a_peer_listed_twice_is_one_contact_and_a_warning_that_names_both_lines(
    kind: Kind, text: str
) -> None:
    contacts, problems = read(text, kind)
    assert [found.peer.key for found in contacts] == ["username:ana", "me:me"]
    first, second = contacts[0].line, contacts[0].line + 1 + (kind == "jsonl")
    assert_says(problems, (second, f"https://t.me/ANA is already in line {first}"))
    assert problems[0].startswith("warning ")


def test_numbers_and_words_of_yaml_stay_text() -> None:
    contacts, problems = read(
        "- {peer: 0123456, name: 007}\n- {peer: +34600000001, name: no}\n"
        "- {peer: 1234, name: 1.50, fields: {since: 2024-01-02, ok: yes}}"
    )
    assert_says(problems, (1, "'0123456' is not a recipient"))
    assert [found.name for found in contacts] == ["no", "1.50"]
    assert contacts[1].fields == {"since": "2024-01-02", "ok": "yes"}


def test_numbers_of_json_are_read_digit_by_digit_and_only_where_they_mean_something() -> None:
    contacts, problems = read(
        '{"peer": -1001234567890, "fields": {"price": 1.50, "n": 12345678901234567890}}\n'
        '{"peer": 1.0}\n{"peer": 1e3}\n{"peer": true}\n{"peer": "@ana", "name": 7}\n'
        '{"peer": "@bob", "fields": {"a": NaN, "b": false}}\n7.5\ntrue\n' + "9" * 10_000,
        "jsonl",
    )
    assert contacts == [contact("-1001234567890", line=1, price="1.50", n="12345678901234567890")]
    assert_says(
        problems,
        (2, "not the number 1.0"),
        (3, "not the number 1e3"),
        (4, "a peer is a text, not true"),
        (5, "name is a text, not the number 7"),
        (6, "the field a is a text, not NaN"),
        (6, "the field b is a text, not false"),
        (7, "not the number 7.5"),
        (8, "not true"),
        (9, "is not a recipient"),
    )


def test_what_is_empty_is_as_good_as_absent_in_every_form() -> None:
    expected = [contact("@ana")]
    as_yaml = '- peer: "@ana"\n  name:\n  tags:\n  fields:\n'
    for kind, text in (
        ("yaml", as_yaml),
        ("yaml", '- {peer: "@ana", name: "", tags: ["", " "], fields: {city: , x: " "}}'),
        ("csv", "peer,name,tags,city\n@ana, ,;,\n"),
        ("jsonl", '{"peer": "@ana", "name": null, "tags": null, "fields": {"city": null}}'),
    ):
        contacts, problems = read(text, kind)
        assert problems == []
        assert [without_line(found) for found in contacts] == expected


def test_tags_are_split_at_commas_and_semicolons_and_kept_once() -> None:
    contacts, _ = read('- {peer: me, tags: " best; Madrid,, two words ,BEST"}')
    assert [tag.casefold() for tag in contacts[0].tags] == ["best", "madrid", "two words"]


@pytest.mark.parametrize(
    "character", ["\x1b", "\x9b", "\x7f", "\u2028", "\n", "\r", "\t", "\x00", "\ud800"]
)
def test_a_name_cannot_carry_what_a_terminal_obeys(character: str) -> None:
    entry = {"peer": "me", "name": f"A{character}B"}
    contacts, problems = read(json.dumps(entry), "jsonl")
    assert contacts == []
    assert_says(problems, (1, f"name holds the control character U+{ord(character):04X}"))


def test_a_field_may_have_lines_and_tabs_and_no_other_control_character() -> None:
    entries = [{"peer": "@ana", "fields": {"note": f"a{c}b"}} for c in "\n\t\x1b\r"]
    for number, entry in enumerate(entries, 1):
        entry["peer"] = str(number)
    contacts, problems = read("\n".join(map(json.dumps, entries)), "jsonl")
    assert [found.fields["note"] for found in contacts] == ["a\nb", "a\tb"]
    expected = "the field note holds the control character"
    assert problems == [f"list:3: {expected} U+001B", f"list:4: {expected} U+000D"]


def test_names_keep_their_emoji_accents_and_writing_direction() -> None:
    for name in ("👩‍👩‍👧 Zoë", "\u200fאנה", "Ruiz\u00a0Ana", "a\u0301"):
        contacts, problems = read(json.dumps({"peer": "me", "name": name}), "jsonl")
        assert problems == []
        assert contacts[0].name == name


def test_a_complaint_is_short_and_shows_no_control_characters() -> None:
    long = "\x1b[31m" * 10_000
    entries = (
        {long: 1},
        {"peer": long},
        {"peer": "me", "tags": ["a,b" * 10_000]},
        {"peer": [long]},
    )
    for entry in entries:
        _, problems = read(json.dumps(entry), "jsonl")
        assert problems
        assert all(problem.isprintable() and len(problem) < 400 for problem in problems)


# YAML.


@pytest.mark.parametrize(
    "text", ["", "# nobody yet\n", "---\n", "contacts:\n", "contacts: []", "[]"]
)
def test_an_empty_list_is_a_mistake(text: str) -> None:
    assert read(text) == ([], ["list:1: this list is empty"])


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("hello", 1, 'expected "contacts:"'),
        ("contacts: me", 1, "contacts is a list, not 'me'"),
        ("contacts: {a: b}", 1, "contacts is a list, not keys with values"),
        ("contacts:\n- me\n---\n- me", 3, "a second document"),
        ("contacts: [me]\ncontacts: [7]", 2, "the key contacts is given twice"),
        ("contacts: [me]\nvcard: [{a: b}]", 2, "unknown key 'vcard'"),
        ("contacts: &a [me]", 1, "the anchor &a"),
        ("contacts: !!set [me]", 1, "the tag"),
        ("- me\n- &a 77", 2, "the anchor &a"),
        ("- me\n- *a", 2, "the alias *a"),
        ("- {peer: me, <<: {name: x}}", 1, "unknown key '<<'"),
        ("- !!python/object/apply:os.system [ls]", 1, "the tag 'tag:yaml.org,2002:python/object"),
        ("- peer: !!str me", 1, "the tag"),
        ("- me\n- @ana", 2, 'each text that starts with @ needs quotes: "@name"'),
        ("- me\n- name: x\n\t  peer: y", 3, "spaces, not with tabs"),
        ("- me\n- name: 'x\n  peer: y", 2, "is not closed"),
        ("- me\n- {name: x\n- y", 4, "a bracket is not closed (it opens in line 2)"),
        ("- me\n- name: [\n- name: x", 3, "a bracket is not closed (did not find"),
        (
            "- me\n- {name: Apt #5}\n",
            3,
            "(it opens in line 2), or a text with # needs",
        ),
        ("- me\n- name: Ruiz: Ana", 2, "a text with a colon that needs quotes"),
        ("- me\n x: y", 2, "wrong indentation"),
        ('- me\n- "a" b', 2, "wrong indentation, or text after the end of a value"),
        ("- me\n- name: x\n  peer\n  tags: y", 3, "a key has no colon"),
        ("%YAML 3.0\n--- [me]", 1, "not YAML"),
        ("[[[[[[[[[[me]]]]]]]]]]", 1, "lists within lists"),
        ("- me\n- a\x1bb", 2, "U+001B"),
        ("- me\n- a\0b", 2, "NUL"),
    ],
)
def test_what_is_no_list_in_yaml_is_named_with_its_line(text: str, line: int, says: str) -> None:
    _, problems = read(text)
    assert any(problem.startswith(f"list:{line}: ") and says in problem for problem in problems), (
        problems
    )


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("fields: {debt: 1,200.50}", 'has no value: did you mean debt: "1,200.50"?'),
        ("fields: {a: x, city: Madrid, Spain}", 'did you mean city: "Madrid, Spain"?'),
        ("fields: {who: Ruiz, Ana, Eva, a: b}", 'did you mean who: "Ruiz, Ana, Eva"?'),
        ("fields: {say: a, b 'c' \"d\"}", 'did you mean say: "a, b \'c\' \\"d\\""?'),
        ("fields: {city:Madrid}", "after the colon comes a space: city: Madrid"),
        ("fields: {x}", "the key 'x' has no value: write one after a colon, or put the text"),
        ('fields: {a: "b", x}', "the key 'x' has no value: write one after a colon"),
        ("fields: {[a]}", "the key a list has no value: write one"),
        ("fields: {a: " + "b" * 100 + ", x}", "the key 'x' has no value: write one"),
        ("? tags", "the key 'tags' has no value: write one"),
        (
            "name: Apt #5",
            "what follows 'Apt' would be left out: '#5'. Put the whole text in quotes",
        ),
        ("tags: [a, b] \n  name: a #b # c", "'#b # c'"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_value_that_yaml_would_drop_is_a_mistake_that_shows_what_was_meant(
    entry: str, says: str, end: str
) -> None:
    _, problems = read(f"- me # ñ\n- peer: '1'\n  {entry}\n".replace("\n", end))
    assert len(problems) == 1, problems
    assert says in problems[0]
    assert problems[0].startswith(f"list:{3 + entry.count(chr(10))}: ")


def test_what_is_lost_in_front_matter_and_in_other_files_of_values_is_a_mistake_too() -> None:
    with pytest.raises(Unreadable, match="has no value"):
        list_yaml.yaml_value(io.BytesIO(b"{text: Hi, Ana}"))
    with pytest.raises(Unreadable, match="would be left out: '#1'"):
        list_yaml.yaml_value(io.BytesIO(b"text: we are #1"))


WORDS = "yes NO off 0123 0o17 1_000 1:30 12e03 .inf ~ null 2024-01-02 1,200.50 = << !x x:y - a:"
PLAIN = st.sampled_from([*WORDS.split(), "a #b", "a: b", "Madrid, Spain", "? a"]) | st.text(
    st.characters(codec="ascii", exclude_categories=["Cc"], exclude_characters="[]{}")
    | st.sampled_from("ñé,:# '\""),
    max_size=12,
)


@given(PLAIN, PLAIN)
def test_a_value_that_is_written_without_quotes_arrives_as_it_is_written_or_is_a_mistake(
    first: str, second: str
) -> None:
    for text in (first.strip(), second.strip()):
        assume("# " not in text)  # a remark
        assume(text[:1] not in tuple("#'\"[{|>"))  # what is written is not what is meant
        assume(text[-1:] not in tuple(",#"))
    expected = [("a", first.strip()), ("b", second.strip())]
    for fields in (f"{{a: {first}, b: {second}}}", f"\n    a: {first}\n    b: {second}"):
        contacts, problems = read(f"- peer: me\n  fields: {fields}\n")
        found = sorted(contacts[0].fields.items()) if contacts else []
        assert problems or found == [pair for pair in expected if pair[1]]


@pytest.mark.parametrize("text", ["[" * 1_000_000, "- " * 1_000_000, "{a: " * 500_000])
def test_endless_nesting_ends_at_once_in_one_mistake(text: str) -> None:
    _, problems = read(text)
    assert_says(problems, (1, "lists within lists"))


def test_too_long_a_yaml_list_is_refused_unread() -> None:
    contacts, problems = read("- me\n#" + "x" * list_yaml.MOST_YAML)
    assert contacts == []
    assert_says(problems, (1, "more than 8 MiB of YAML: use CSV or JSON Lines for long lists"))


def test_a_billion_laughs_cost_nothing() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for before, name in pairwise("abcdefghi"):
        lines.append(f"{name}: &{name} [{', '.join(['*' + before] * 9)}]")
    contacts, problems = read("\n".join([*lines, "contacts: *i"]))
    assert contacts == []
    assert len(problems) == 10
    assert "the alias *i" in problems[-1]


def test_the_slow_parser_of_pyyaml_that_some_systems_have_gives_the_same() -> None:
    slow, fast = (
        list(list_yaml._document(list_yaml._Events(AS_YAML, loader)))
        for loader in (yaml.SafeLoader, yaml.CSafeLoader)
    )
    assert slow == fast


# CSV.


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_spreadsheets_write_is_read(delimiter: str, mark: str, end: str) -> None:
    rows = [["Peer", "NAME", "Tags", "City", ""], ["@ana", "A, B", "x", "Rome", ""], [], ["me"]]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows(rows)
    contacts, problems = read(mark + text.getvalue(), "csv")
    assert problems == []
    assert contacts == [contact("@ana", "A, B", ("x",), line=2, City="Rome"), contact("me", line=4)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", ":"])
@pytest.mark.parametrize("start", ["sep={}\r\n", '"sep={}"\n', "\n SEP={}\n"])
def test_the_first_line_of_excel_names_the_delimiter(start: str, delimiter: str) -> None:
    text = start.format(delimiter) + f"peer{delimiter}city,x\n@ana{delimiter}Rome, 1\nx\n"
    contacts, problems = read(text, "csv")
    if delimiter != ",":
        assert [found.fields for found in contacts] == [{"city,x": "Rome, 1"}]
    line = text.count("\n")
    assert_says(problems, (line, "'x' is not a recipient"))


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("phone,name", "none of them is peer: rename 'phone' to peer"),
        ("Name;Phone number", "rename 'Phone number' to peer"),
        ("USERNAME,chat_id,x", "rename 'USERNAME' (or 'chat_id') to peer"),
        ("telegram\tcity", "rename 'telegram' to peer"),
        ("sep=;\nid;name", "rename 'id' to peer"),
    ],
)
def test_a_column_that_says_who_is_named_in_the_hint(header: str, says: str) -> None:
    _, problems = read(header + "\n", "csv")
    assert len(problems) == 1
    assert says in problems[0]


def test_the_delimiter_is_the_one_that_makes_a_column_peer() -> None:
    contacts, problems = read("peer;town, street, door;x\n@ana;Rome, 1, 2;y", "csv")
    assert problems == []
    assert contacts[0].fields == {"town, street, door": "Rome, 1, 2", "x": "y"}


def test_a_row_s_line_is_where_it_starts_also_after_blank_lines_and_line_ends_in_quotes() -> None:
    contacts, problems = read('\n\npeer,note\n\n@ana,"a\nb\n\nc"\n\n@bob,\nx,\n', "csv")
    assert [found.line for found in contacts] == [5, 10]
    assert contacts[0].fields == {"note": "a\nb\n\nc"}
    assert_says(problems, (11, "'x' is not a recipient"))


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("name,city\n", 1, "none of them is peer: 'name', 'city'"),
        ("@ana\n@bob\n", 1, "the first line names the columns"),
        ("peer,x,x\n", 1, "two columns are called 'x'"),
        ("peer,name,Name\n", 1, "two columns are called 'name'"),
        ("peer,,x\n", 1, "column 2 has no name"),
        ("peer,a\x1bb\n", 1, "column 2 holds the control character U+001B"),
        ("peer,fields\n", 1, "no column can be called fields"),
        ("peer,name\n@ana,Ruiz, Ana\n", 2, "3 cells under 2 columns"),
        ("peer,name\n,Ana\n", 2, "the peer is missing"),
        ('peer,name\n" ",Ana\n', 2, "the peer is empty"),
        ('peer,name\n@ana,"Ana\n@bob,Bob\n', 2, "is not closed"),
        ('peer,name\n@ana,"Ana" Ruiz\n', 2, 'a " within a text is written ""'),
        ("peer,name\n\n@ana," + "x" * 200_000 + "\n", 3, "far too long"),
        ('peer,name\n"@ana', 2, "is not closed"),
        ('"peer,name\n@ana', 1, "is not closed"),
        ("peer,name\r@ana,Ana\r", 1, "CR alone"),
        ("peer\n" + "x" * 2_000_000, 2, "in one line"),
        ("peer\n", 1, "this list is empty"),
        ("\n \n", 1, "this list is empty"),
        ("", 1, "this list is empty"),
    ],
)
def test_what_is_wrong_in_csv_is_named_with_its_line(text: str, line: int, says: str) -> None:
    contacts, problems = read(text, "csv")
    assert [found.name for found in contacts if found.peer.key == "username:ana"] == []
    assert_says(problems, (line, says))


def test_a_broken_row_does_not_hide_the_rows_after_it() -> None:
    contacts, problems = read('peer,name\n@ana,"A"x\n@bob,B\n@c,\n', "csv")
    assert [found.name for found in contacts] == ["B"]
    assert [problem.split(":")[1] for problem in problems] == ["2", "4"]


# JSON Lines.


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "not JSON at character"),
        ("[]", "expected a recipient or its keys, not a list"),
        ('{"peer": "me"} {"peer": "@ana"}', "not JSON at character 16"),
        ('{"peer": "me", "peer": "@ana"}', "the key peer is given twice"),
        ('{"peer": "me", "fields": {"a": "1", "a": "2"}}', "the field a is given twice"),
        ("[" * 100_000, "lists within lists"),
        ('{"a":' * 100_000, "lists within lists"),
    ],
)
def test_what_is_wrong_in_a_json_line_does_not_hide_the_next(line: str, says: str) -> None:
    contacts, problems = read(f'\n{line}\r\n\n{{"peer": "@bob"}}', "jsonl")
    assert contacts == [contact("@bob", line=4)]
    assert_says(problems, (2, says))


# Bytes.


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_of_windows_is_refused_with_the_place_of_the_first_wrong_byte(kind: Kind) -> None:
    lists = {"yaml": AS_YAML, "csv": AS_CSV, "jsonl": AS_JSONL}
    raw = lists[kind].encode("cp1252")
    at = raw.index(b"\xd6")
    line, column = raw.count(b"\n", 0, at) + 1, at - raw.rindex(b"\n", 0, at)
    _, problems = read(raw, kind)
    assert_says(problems, (line, f"not UTF-8 (the byte 0xD6, number {column} of the line)"))
    assert problems[0].endswith("or name its encoding: Excel's is often --encoding cp1252")
    contacts, problems = read(raw, kind, "cp1252")
    assert problems == []
    assert [without_line(found) for found in contacts] == PEOPLE


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32"])
def test_a_mark_says_how_a_list_is_encoded(kind: Kind, encoding: str) -> None:
    text = {"yaml": AS_YAML, "csv": AS_CSV, "jsonl": AS_JSONL}[kind]
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    for told in (None, "cp1252", encoding):
        contacts, problems = read((mark + text).encode(encoding), kind, told)
        assert problems == []
        assert [without_line(found).peer for found in contacts] == [one.peer for one in PEOPLE]
        assert contacts[3].name == PEOPLE[3].name


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252", "cp1251", "mac-roman", "utf-16-le"]


@given(st.sampled_from(ENCODINGS), st.text(st.characters(exclude_categories=["Cs"])))
def test_whatever_a_text_is_encoded_in_it_is_read_as_it_was(encoding: str, text: str) -> None:
    raw = text.encode(encoding, "ignore")
    assume(encoding != "utf-16-le" or raw[:2] != b"\xff\xfe")
    assume(encoding not in ("cp1252", "cp1251", "mac-roman") or not raw.startswith(MARKS))
    assume(encoding in ("utf-8", "utf-8-sig") or not is_utf8(raw))
    found = as_utf8(io.BytesIO(raw), encoding).read().decode()
    assert found.removeprefix("\ufeff") == raw.decode(encoding).removeprefix("\ufeff")


MARKS = (b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")


def is_utf8(raw: bytes) -> bool:
    """Whether `raw` is UTF-8 beyond ASCII, as nothing of another encoding is by chance."""
    try:
        return not raw.decode().isascii()
    except UnicodeDecodeError:
        return False


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "cp1251", "mac-roman"])
def test_a_list_in_utf8_is_not_read_as_anything_else(kind: Kind, encoding: str) -> None:
    text = {"yaml": "- {peer: '@ana', name: José}", "csv": "peer,name\n@ana,José"}.get(
        kind, '{"peer": "@ana", "name": "José"}'
    )
    _, problems = read(text + "\n", kind, encoding)
    assert_says(problems, (1 + (kind == "csv"), "this is UTF-8: leave out --encoding"))
    _, problems = read("\n" * 70_000 + text + "\n", kind, encoding)
    assert_says(problems, (70_001 + (kind == "csv"), "this is UTF-8"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_an_encoding_that_needs_a_mark_is_refused_without_it(kind: Kind, encoding: str) -> None:
    _, problems = read("peer\n@ana\n".encode(f"{encoding}-le"), kind, encoding)
    assert_says(problems, (1, f"not {encoding}"))
    assert f"--encoding {encoding}-le" in problems[0]
    assert read("peer\n@ana\n".encode(f"{encoding}-le"), "csv", f"{encoding}-le")[1] == []


@pytest.mark.parametrize(
    ("name", "says"),
    [("friends.xlsx", "CSV UTF-8"), ("friends.ods", "CSV UTF-8"), ("friends.txt", ".tsv")],
)
def test_a_spreadsheet_is_told_how_to_become_a_list(name: str, says: str) -> None:
    with pytest.raises(ContactsError, match="a contact list ends in") as refused:
        kind_of(name)
    assert says in str(refused.value)


def test_a_wrong_byte_of_another_encoding_is_named_with_its_line() -> None:
    raw = b"peer,name\n@ana,A\n" + b"@bob,B\n" * 20_000 + b"@eve,\x81\n"
    _, problems = read(raw, "csv", "cp1252")
    assert problems[-1].startswith("list:20003: not cp1252 (the byte 0x81)")
    _, problems = read(b"\xff\xfea", "csv")
    assert_says(problems, (1, "not utf-16"))


def test_an_encoding_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("peer\nme\n")
    for name in ("excel", "base64", "", "\0"):
        with pytest.raises(SettingsError, match="there is no such encoding"):
            load_audience(tmp_path / "list.csv", encoding=name)


@pytest.mark.parametrize("kind", KINDS)
def test_other_files_are_refused_in_one_mistake(kind: Kind) -> None:
    for raw, says in (
        ("peer\n@ana".encode("utf-16-le"), "NUL"),
        (b"PK\x03\x04\x00\x00", "NUL"),
        (b"\x1f\x8b\x08", "not UTF-8"),
    ):
        _, problems = read(raw, kind)
        assert_says(problems, (1, says))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("garbage", [b"\0\1\2\n", b"lorem ipsum, dolor\n", b"a", b"- a\n"])
def test_megabytes_of_garbage_end_soon(kind: Kind, garbage: bytes) -> None:
    contacts, problems = read(garbage * (12_000_000 // len(garbage)), kind)
    assert contacts == []
    assert 1 <= len(problems) <= MOST_MISTAKES + 1


def test_after_a_thousand_mistakes_the_rest_is_not_read() -> None:
    contacts, problems = read("x\n" * 1_000 + '"@ana"\n', "jsonl")
    assert contacts == []
    assert len(problems) == 1_001
    assert problems[-1] == "list:1000: the rest was not read: 1000 mistakes so far"


def test_warnings_do_not_count_as_mistakes() -> None:
    contacts, problems = read('"@ana"\n' * 2_000 + '"@bob"\n', "jsonl")
    assert [found.peer.value for found in contacts] == ["ana", "bob"]
    assert len(problems) == 1_999


class Endless(io.RawIOBase):
    """A file of `count` rows that is never whole in memory."""

    def __init__(self, count: int) -> None:
        self._rows = (f"@user{number},Ana,x,Rome\n".encode() for number in range(count))
        self._rest = b"peer,name,tags,city\n"

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._rest = self._rest or next(self._rows, b"")
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def test_reading_does_not_keep_the_contacts() -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        stream = io.BufferedReader(Endless(count))
        found = sum(1 for _ in read_contacts(stream, source="list", kind="csv"))  # type: ignore[arg-type]
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found == count
        return most

    few, many = peak(1_000), peak(20_000)
    assert (many - few) / 19_000 < 200  # at this size mostly the buckets; whole contacts are 1,000


def test_the_form_is_known_by_the_suffix() -> None:
    names = ["a.yaml", "b.YML", "c.csv", "d.tsv", "e.jsonl", "f.ndjson"]
    assert [kind_of(name) for name in names] == ["yaml", "yaml", "csv", "csv", "jsonl", "jsonl"]


@pytest.mark.parametrize("name", ["contacts", "contacts.txt", "contacts.xlsx", "yaml", "a.json"])
def test_an_unknown_suffix_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(ContactsError, match=r"\.yaml, \.csv or \.jsonl"):
        kind_of(name)


def test_a_problem_reads_like_a_compiler_s() -> None:
    assert str(Problem("contacts.yaml", 12, "told", is_error=True)) == "contacts.yaml:12: told"


# Laws.

words = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=12).map(str.strip)
tags = words.filter(lambda word: word and not set(word) & set(",;"))
peers = st.from_regex(r"@[A-Za-z][a-z0-9_]{2,9}", fullmatch=True) | st.integers(1, 10**12).map(str)
people = st.builds(
    Contact,
    peer=peers.map(parse_peer),
    name=words,
    tags=st.lists(tags, max_size=3, unique_by=str.casefold).map(tuple),
    fields=st.dictionaries(
        words.filter(
            lambda word: (
                word and word.casefold() not in ("peer", "name", "tags", "fields", "message")
            )
        ),
        words.filter(bool),
        max_size=2,
    ),
)
lists = st.lists(people, min_size=1, max_size=5, unique_by=lambda person: person.peer.key)


def written(kind: Kind, everybody: list[Contact]) -> str:
    entries = [
        {
            "peer": one.peer.text,
            "name": one.name,
            "tags": list(one.tags),
            "fields": dict(one.fields),
        }
        for one in everybody
    ]
    if kind == "yaml":
        return yaml.safe_dump({"contacts": entries}, allow_unicode=True)
    if kind == "jsonl":
        return "\n".join(json.dumps(entry) for entry in entries)
    columns = sorted({name for one in everybody for name in one.fields})
    text = io.StringIO()
    out = csv.writer(text)
    out.writerow(["peer", "name", "tags", *columns])
    for one in everybody:
        cells = [one.fields.get(column, "") for column in columns]
        out.writerow([one.peer.text, one.name, ";".join(one.tags), *cells])
    return text.getvalue()


@pytest.mark.parametrize("kind", KINDS)
@given(everybody=lists)
def test_people_written_down_in_any_form_are_read_as_they_were(
    kind: Kind, everybody: list[Contact]
) -> None:
    contacts, problems = read(written(kind, everybody), kind)
    assert problems == []
    assert [without_line(found) for found in contacts] == everybody


PIECES = (  # noqa: SIM905 - read as pieces, not as a column
    "contacts:\n - peer name : tags fields \" ' @ana me \n , { } [ ] &a *a !!x ---\n \t # | ; é"
).split(" ")
pieces = st.lists(st.sampled_from([*PIECES, " ", "- ", ": "]), max_size=40).map("".join)
texts = pieces | st.text() | st.text().map("peer,".__add__)


@pytest.mark.parametrize("kind", KINDS)
@given(raw=st.binary() | texts.map(str.encode))
def test_any_bytes_at_all_give_contacts_or_complaints_and_never_neither(
    kind: Kind, raw: bytes
) -> None:
    found = list(read_contacts(io.BytesIO(raw), source="list", kind=kind))
    assert found
    last = raw.count(b"\n") + raw.count(b"\r") + 2
    for one in found:
        assert isinstance(one, Contact | Problem)
        assert 1 <= one.line <= last or kind == "yaml"  # YAML has more ways to end a line
    keys = [one.peer.key for one in found if isinstance(one, Contact)]
    assert len(keys) == len(set(keys))


@given(
    st.lists(st.sampled_from(["name", "tags", "city", "message.silent", "KEYS"]), unique=True),
    st.lists(
        st.sampled_from(
            ["", " ", "Ana", " Ana ", "a;b", "A,a", "\x1b", "two\nlines", "\u200b", "@ana"]
        )
        | st.text(max_size=5),
        max_size=6,
    ),
    st.sampled_from(
        ["123", "0123", "٣", "-100123", "@ana", "@Ana/7", "me", "+34600000001", "", "a"]
    ),
)
def test_the_short_way_to_a_contact_says_what_the_long_one_says(
    names: list[str], cells: list[str], peer: str
) -> None:
    row = Row(7, [peer, *cells[: len(names)]], Columns(["peer", *names]))
    found = plain_contact(row, Seen())
    read_message = {"silent": True}.__or__
    assert found is None or (found, []) == contact_of_entry(row.as_map(), Seen(), read_message)


def test_a_plain_row_takes_the_short_way() -> None:
    row = Row(7, ["123", "Ana", "a;b"], Columns(["peer", "name", "tags", "city"]))
    assert plain_contact(row, Seen()) == contact("123", "Ana", ("a", "b"), 7)
