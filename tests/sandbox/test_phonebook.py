from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon import utils
from telethon.tl import types

from broadcast.core.peers import parse_peer
from broadcast.sandbox.people import behaviour, phonebook
from broadcast.sandbox.people.behaviour import RULES
from broadcast.sandbox.people.phonebook import Kind

usernames = st.from_regex(r"\A[a-z][a-z0-9_]{2,31}\Z")
marked_ids = st.integers(-(2 * 10**12), 2**52 - 1).filter(lambda i: i not in (0, -(10**12)))
chat_words = st.sampled_from(["group", "supergroup", "channel"])
any_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.word)


def the(spelling: str) -> phonebook.Entry:
    entry = phonebook.by_peer(parse_peer(spelling))
    assert entry is not None
    return entry


@any_rule
def test_a_word_means_the_same_before_and_behind_the_name(rule):
    assert the(f"@{rule.word}_ana").rule is the(f"@ana_{rule.word}").rule is rule


@any_rule
def test_the_last_four_digits_mean_the_same_as_the_word(rule):
    assert the(f"+3460000{rule.digits}").rule is rule
    assert the(f"77777{rule.digits}").rule is rule
    assert the(f"-77777{rule.digits}").rule is rule
    assert the(f"-100777777{rule.digits}").rule is rule
    assert the(f"@id_77777{rule.digits}").rule is rule


@any_rule
@given(kind=chat_words)
def test_the_rule_of_a_chat_is_in_its_id(rule, kind):
    entry = the(f"@{rule.word}_{kind}")
    assert entry.kind is phonebook.KIND_WORDS[kind]
    assert entry.kind is phonebook.by_id(entry.id).kind or rule is behaviour.SLOWMODE
    assert behaviour.rule_of(entry.id) is rule


@any_rule
def test_every_rule_is_in_the_table_that_the_page_shows(rule):
    row = next(line for line in behaviour.table().splitlines() if f"`{rule.word}`" in line)
    assert str(rule.digits) in row


def test_the_numbers_in_the_page_are_fixed():
    digits = {rule.word: rule.digits for rule in RULES}
    assert digits["blocked"] == 9401
    assert digits["deactivated"] == 9402
    assert digits["private"] == 9403
    assert digits["unknown"] == 9404
    assert len(set(digits.values())) == len(RULES) < 100


@given(usernames)
def test_a_name_without_a_word_of_the_table_means_nothing(username):
    words = set(username.split("_"))
    entry = phonebook.by_username(username)
    if entry and not words & {rule.word for rule in RULES} and not username.startswith("id_"):
        assert entry.rule is None


@given(usernames)
def test_somebody_found_is_found_again_by_spelling_and_by_id(username):
    entry = phonebook.by_username(username)
    if entry:
        assert phonebook.by_spelling(entry.spelling) == entry
        again = phonebook.by_id(entry.id)
        assert (again.kind, again.rule) == (entry.kind, entry.rule)


@given(marked_ids)
def test_marked_ids_are_telethons(marked_id):
    number, kind = utils.resolve_id(marked_id)
    is_kind = {
        types.PeerUser: {Kind.USER, Kind.BOT},
        types.PeerChat: {Kind.GROUP},
        types.PeerChannel: {Kind.CHANNEL, Kind.SUPERGROUP},
    }[kind]
    assert phonebook.by_id(marked_id).kind in is_kind
    assert utils.get_peer_id(kind(number)) == marked_id


@given(st.text("abcdefghijklmnop", min_size=8, max_size=20), chat_words)
def test_an_invitation_leads_to_a_chat(text, kind):
    assert the(f"https://t.me/+{text}Q").kind is Kind.GROUP
    assert the(f"https://t.me/+{text}-{kind}").id < 0


@pytest.mark.parametrize(
    ("spelling", "kind"),
    [
        ("@ana_maria", Kind.USER),
        ("@weather_bot", Kind.BOT),
        ("@family_group", Kind.SUPERGROUP),
        ("@family_supergroup", Kind.SUPERGROUP),
        ("@news_channel", Kind.CHANNEL),
        ("@readonly_news", Kind.CHANNEL),
        ("@slowmode_friends", Kind.SUPERGROUP),
        ("@slowmode_bruno_group", Kind.SUPERGROUP),
        ("-123", Kind.GROUP),
        ("-1001234567890", Kind.CHANNEL),
        ("-1001234569500", Kind.SUPERGROUP),
        ("-1001234569513", Kind.SUPERGROUP),
        ("t.me/+family-friends", Kind.GROUP),
        ("t.me/+family-supergroup", Kind.SUPERGROUP),
        ("t.me/+news-channel", Kind.CHANNEL),
    ],
)
def test_the_name_says_what_it_is(spelling, kind):
    assert the(spelling).kind is kind


def test_names_are_made_of_the_username():
    assert the("@ana_maria").title == "Ana Maria"
    assert the("t.me/+family_friends").title == "Family Friends"


def test_one_person_can_be_spelled_twice():
    assert the("@id_123456789").id == the("123456789").id == 123456789


def test_the_same_people_live_in_every_process():
    code = (
        "from broadcast.sandbox.people import phonebook as p;"
        "print(p.by_username('ana_maria'), p.by_phone('+34600000001'), p.by_id(5));"
        "print(p.access_hash(1, 2))"
    )
    runs = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
        for _ in range(2)
    }
    assert len(runs) == 1
    # Written down, so that a change of the scheme is seen: it makes strangers of everybody.
    assert the("@ana_maria").id == 1873903436324838
    assert the("+34600000001").id == 1590586447475062


def test_a_hundred_thousand_usernames_are_a_hundred_thousand_people():
    ids = {phonebook.by_username(f"friend_{n}").id for n in range(100_000)}
    assert len(ids) == 100_000


@given(st.integers(1, 2**52), st.integers(1, 2**52), marked_ids)
def test_each_account_has_its_own_key_to_a_peer(one, other, peer):
    assert phonebook.access_hash(one, peer) != 0
    if one != other:
        assert phonebook.access_hash(one, peer) != phonebook.access_hash(other, peer)


@pytest.mark.parametrize("name", ["", "ab", "1ana", "ana maria", "ñandu", "a" * 33, "ana!"])
def test_what_is_no_username_is_nobody(name):
    assert phonebook.by_username(name) is None
