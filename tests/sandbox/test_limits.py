"""The published limits, and others: who waits how long, who pays, and what is remembered."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon.tl import functions, types

from broadcast.core.errors import SettingsError
from broadcast.core.peers import parse_peer
from broadcast.sandbox.limits import Limits, named_limits, read_limits
from broadcast.sandbox.limits.token_buckets import TokenBuckets
from broadcast.sandbox.world import RpcError, World
from tests.e2e.child import Cli
from tests.sandbox.asking import NOW, Client, bot, free_world, user

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86_400
BOT_ID = 777_000_111
GROUP, SUPERGROUP, CHANNEL = -70_001, -1_000_000_009_500, -1_000_000_000_001
ME = types.InputPeerSelf()


def peer(marked_id: int) -> Any:
    """How a bot addresses a peer: without an access hash."""
    if marked_id > 0:
        return types.InputPeerUser(marked_id, 0)
    if marked_id > -1_000_000_000_000:
        return types.InputPeerChat(-marked_id)
    return types.InputPeerChannel(-marked_id - 1_000_000_000_000, 0)


class Sender:
    """Sends messages to people who are all different, each with a new random_id."""

    def __init__(self, client: Client, *, paid: bool = False) -> None:
        self.client = client
        self.paid = paid
        self.sent = 0

    def send(self, to: Any = None, random_id: int | None = None, text: str = "hello") -> str | None:
        """The error's name, or None."""
        self.sent += 1
        peer_of_this = peer(20_000 * self.sent) if to is None else to
        flags = {"allow_paid_floodskip": True} if self.paid else {}
        try:
            self.client.send(peer_of_this, text, random_id or self.sent, **flags)
        except RpcError as error:
            code, name = error.args
        else:
            return None
        assert code == (400 if name == "PEER_FLOOD" else 420)
        return name

    def passes(self, most: int = 2000, **options: Any) -> int:
        """How many pass at once, before the first error."""
        return next(n for n in range(most + 1) if self.send(**options))


def bot_with(**limits: Any) -> Sender:
    return Sender(bot(free_world(**limits)))


def copy_of(world: World, **limits: Any) -> World:
    """The world after a restart."""
    copy = free_world(**limits)
    for record in world.dump():
        copy.apply(json.loads(json.dumps(record)))
    assert copy.dump() == world.dump()
    return copy


# The rate of an account


@pytest.mark.parametrize("signed_in", [bot, user])
def test_by_default_an_account_sends_30_at_once_and_is_then_told_to_wait(signed_in):
    client = signed_in(World(contacts=[parse_peer(f"@f_{n}") for n in range(50)]))
    friends = [client.find(f"f_{n}") for n in range(50)]
    sender = Sender(client)
    assert [sender.send(friend) for friend in friends[:30]] == [None] * 30
    assert sender.send(friends[30]) == "FLOOD_WAIT_1"


@pytest.mark.parametrize(("signed_in", "more"), [(bot, 30), (user, 1)])
def test_after_the_wait_that_was_named_there_is_room_again(signed_in, more):
    client = signed_in(free_world(bot_messages_per_second=30.0, user_messages_per_second=1.0))
    sender, group = Sender(client), client.find("some_group")
    assert sender.passes(to=group) == 30
    client.now += 1
    assert sender.passes(to=group) == more
    client.now += 0.999
    assert sender.send(group) == "FLOOD_WAIT_2"  # it came too early


def test_a_slow_rate_has_a_long_wait():
    sender = bot_with(bot_messages_per_second=0.01, bot_burst=2)
    assert sender.passes() == 2
    assert sender.send() == "FLOOD_WAIT_100"


def test_the_rate_of_a_bot_and_of_a_person_are_their_own():
    world = free_world(bot_messages_per_second=1.0, bot_burst=2, user_messages_per_second=None)
    sender, other = Sender(bot(world)), Sender(bot(world, bot_id=777_000_222, key_id=3))
    person = Sender(user(world))
    assert sender.passes() == 2
    assert other.passes() == 2
    assert {person.send(ME) for _ in range(100)} == {None}


def test_edits_count_for_the_rate_as_sends_do():
    client = bot_with(bot_messages_per_second=1.0, bot_burst=3).client
    ana = peer(10_001)
    client.send(ana)
    for text in ("one", "two"):
        client.ask(functions.messages.EditMessageRequest(ana, 1, message=text))
    with pytest.raises(RpcError, match="FLOOD_WAIT_1"):
        client.ask(functions.messages.EditMessageRequest(ana, 1, message="three"))
    with pytest.raises(RpcError, match="FLOOD_WAIT_1"):
        client.send(ana, random_id=2)


def test_a_message_that_must_wait_is_not_kept():
    sender = bot_with(bot_messages_per_second=1.0, bot_burst=3)
    assert [sender.send() for _ in range(4)] == [None, None, None, "FLOOD_WAIT_1"]
    assert len(list(sender.client.world.inbox())) == 3


# A chat


def test_by_default_a_chat_takes_three_at_once_and_then_one_a_second():
    sender = Sender(bot(World()))
    for chat in (peer(10_001), peer(CHANNEL)):
        assert [sender.send(chat) for _ in range(4)] == [None, None, None, "FLOOD_WAIT_1"]
    sender.client.now += 1
    assert sender.passes(to=peer(10_001)) == 1


@pytest.mark.parametrize("group", [GROUP, SUPERGROUP])
def test_by_default_a_group_takes_twenty_at_once_and_then_one_in_three_seconds(group):
    sender = Sender(bot(World()))
    assert sender.passes(to=peer(group)) == 20
    assert sender.send(peer(group)) == "FLOOD_WAIT_3"
    sender.client.now += 3
    assert sender.passes(to=peer(group)) == 1


def test_a_flood_in_a_chat_holds_that_chat_alone():
    sender = bot_with(chat_messages_per_second=0.1, group_messages_per_minute=1.0)
    assert sender.passes(to=peer(10_001)) == 3
    assert sender.passes(to=peer(GROUP)) == 1
    assert sender.send(peer(10_002)) is None
    assert sender.send(peer(SUPERGROUP)) is None
    other = Sender(bot(sender.client.world, bot_id=777_000_222, key_id=3))
    assert other.passes(to=peer(10_001)) == 3


def test_a_repeat_and_an_edit_do_not_count_for_the_chat():
    sender = bot_with(chat_messages_per_second=1.0, chat_burst=1)
    ana = peer(10_001)
    assert {sender.send(ana, random_id=1) for _ in range(9)} == {None}
    for text in ("one", "two"):
        sender.client.ask(functions.messages.EditMessageRequest(ana, 1, message=text))
    assert sender.send(ana, random_id=2) == "FLOOD_WAIT_1"


def test_a_million_chats_leave_no_lanes_behind():
    sender = bot_with(bot_messages_per_second=1000.0, bot_burst=1, chat_messages_per_second=1.0)
    world = sender.client.world
    for _ in range(20_000):
        assert sender.send() is None
        sender.client.now += 0.01
    assert len(world._state.traffic.chats) <= 2 * 3 / 0.01 + 1
    assert len(world._state.traffic.bots) <= 2


# Whoever does not wait


def test_a_wait_that_is_ignored_begins_anew_and_grows_to_its_most():
    sender = bot_with(bot_messages_per_second=1.0, bot_burst=1, flood_most_seconds=20)
    assert sender.send() is None
    assert sender.send() == "FLOOD_WAIT_1"
    for seconds, wait in ((0.6, 2), (1.9, 4), (3.9, 8), (1, 16), (15.5, 20), (19, 20)):
        sender.client.now += seconds
        assert sender.send() == f"FLOOD_WAIT_{wait}"
    sender.client.now += 19.4
    assert sender.send() == "FLOOD_WAIT_20"
    sender.client.now += 20
    assert sender.passes() == 1


def test_after_a_wait_that_was_kept_the_next_one_is_short_again():
    sender = bot_with(bot_messages_per_second=1.0, bot_burst=1)
    waits = []
    for seconds in (0, 0, 0.7, 2, 0):
        sender.client.now += seconds
        waits.append(sender.send())
    assert waits == [None, "FLOOD_WAIT_1", "FLOOD_WAIT_2", None, "FLOOD_WAIT_1"]


def test_with_a_growth_of_1_the_wait_begins_anew_and_does_not_grow():
    sender = bot_with(bot_messages_per_second=0.2, bot_burst=1, flood_growth=1.0)
    assert sender.passes() == 1
    for _ in range(5):
        sender.client.now += 4
        assert sender.send() == "FLOOD_WAIT_5"


def test_what_was_under_way_when_the_wait_was_named_does_not_lengthen_it():
    sender = bot_with(bot_messages_per_second=0.1, bot_burst=1)
    assert sender.passes() == 1
    for seconds in (0.0, 0.2, 0.2):
        sender.client.now += seconds
        assert sender.send() == "FLOOD_WAIT_10"
    sender.client.now += 9.6
    assert sender.send() is None


def test_a_chat_that_is_not_left_alone_has_a_longer_wait_and_the_account_has_none():
    sender = bot_with(chat_messages_per_second=1.0, bot_messages_per_second=30.0)
    ana = peer(10_001)
    assert sender.passes(to=ana) == 3
    sender.client.now += 0.6
    assert sender.send(ana) == "FLOOD_WAIT_2"
    assert sender.send(peer(10_002)) is None


def test_the_world_counts_the_floods_that_it_has_answered():
    sender = Sender(bot(World()))
    client, world = sender.client, sender.client.world
    assert sender.passes() == 30
    sender.send()
    flood = client.find("flood_fay")
    client.now += 5
    assert sender.send(flood) == "FLOOD_WAIT_3"  # its name
    for error in ("USER_IS_BLOCKED", "SLOWMODE_WAIT_10"):  # no floods
        named = client.find("blocked_bruno" if "BLOCKED" in error else "slowmode_group")
        with pytest.raises(RpcError, match=error):  # noqa: PT012
            client.send(named, random_id=1)
            client.send(named, random_id=2)
    request = functions.messages.SendMessageRequest(flood, "hello", random_id=5)
    client.send(flood, random_id=4)
    client.send(flood, random_id=6)
    with pytest.raises(RpcError, match="FLOOD_WAIT_1"):
        client.ask(functions.InvokeWithoutUpdatesRequest(request))
    assert world.floods == 4


rates = st.floats(0.01, 1000)
bursts = st.integers(1, 20)
steps = st.lists(st.floats(0, 5), max_size=60)


@given(rates, bursts, steps, st.floats(1, 3))
def test_in_any_window_no_more_than_the_burst_and_what_the_rate_gives_pass(
    rate, burst, waits, growth
):
    buckets = TokenBuckets(rate, burst, Limits(flood_growth=growth))
    now, passed = NOW, []
    for wait in waits:
        now += wait / rate
        if buckets.take("key", now):
            passed.append(now)
        else:
            buckets.wait("key", now)
    for first, start in enumerate(passed):
        for last, end in enumerate(passed[first:], start=first):
            assert last - first + 1 <= burst + rate * (end - start) + 0.01


@given(rates, bursts, st.integers(1, 60), st.booleans())
def test_who_waits_as_long_as_is_named_is_let_pass(rate, burst, count, at_once):
    buckets = TokenBuckets(rate, burst, Limits())
    now = NOW
    for _ in range(count):
        if not buckets.take("key", now):
            wait = buckets.wait("key", now)
            assert buckets.wait("key", now) == wait >= 1  # another one was under way
            assert wait < 1 / rate + 1 + 1e-6  # whole seconds
            now += wait
            assert buckets.take("key", now)
        now += 0 if at_once else 1 / rate


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0, 1 / 8, 1 / 2, 3])), max_size=60),
)
def test_lanes_that_are_forgotten_would_have_made_nobody_wait(burst, story):
    rate = 1 / 4  # all numbers are exact
    buckets, one_each = TokenBuckets(rate, burst, Limits()), {}
    now = NOW
    for key, wait in story:
        now += wait / rate
        alone = one_each.setdefault(key, TokenBuckets(rate, burst, Limits()))
        alone._turns_at = float("inf")  # it never forgets
        assert buckets.take(key, now) == alone.take(key, now)


def test_a_clock_that_is_set_back_stops_nobody():
    sender = bot_with(bot_messages_per_second=1.0, bot_burst=2)
    assert sender.passes() == 2
    sender.client.now -= DAY
    assert sender.passes() == 2
    sender.client.now += 1
    assert sender.send() is None


# Paid broadcasts


def paid_bot(**limits: Any) -> Sender:
    free = {"bot_messages_per_second": 30.0, "paid_messages_per_second": 1000.0}
    return Sender(bot(free_world(**(free | limits))), paid=True)


def test_a_paid_broadcast_uses_up_the_free_rate_and_then_pays_a_tenth_of_a_star_each():
    sender = paid_bot()
    for _ in range(30):
        assert sender.send() is None
    assert sender.client.world.stars_spent(BOT_ID) == 0
    for _ in range(7):
        assert sender.send() is None
    assert sender.client.world.stars_spent(BOT_ID) == Decimal("0.7")
    sender.client.now += 1
    for _ in range(31):
        assert sender.send() is None
    assert sender.client.world.stars_spent(BOT_ID) == Decimal("0.8")
    assert sender.client.world.floods == 0


def test_above_the_paid_rate_even_who_pays_must_wait():
    sender = paid_bot(paid_messages_per_second=50.0)
    assert sender.passes() == 30 + 50
    assert sender.client.world.stars_spent(BOT_ID) == 5
    sender.client.now += 1
    assert sender.passes() == 30 + 50
    sender = paid_bot(paid_messages_per_second=0.1)
    assert sender.passes() == 30 + 1
    assert sender.send() == "FLOOD_WAIT_10"


def test_who_cannot_pay_is_told_so_and_waits_for_the_free_rate():
    sender = paid_bot(stars=1, bot_messages_per_second=0.1, bot_burst=1)
    assert sender.passes() == 1 + 10
    assert sender.client.world.stars_spent(BOT_ID) == 1
    assert sender.send() == "FLOOD_SKIP_FAILED_WAIT_10"
    assert sender.client.world.floods == 2
    sender.client.now += 10
    assert sender.send() is None
    assert sender.client.world.stars_spent(BOT_ID) == 1


def test_a_price_and_a_balance_can_be_set():
    sender = paid_bot(paid_stars_per_message=Decimal("0.3"), stars=1, bot_burst=1)
    assert sender.passes() == 1 + 3
    assert sender.client.world.stars_spent(BOT_ID) == Decimal("0.9")
    assert Fraction(sender.client.world.stars_spent(BOT_ID)) == Fraction(9, 10)


def test_repeats_and_refused_messages_cost_nothing():
    sender = paid_bot(bot_burst=1, chat_messages_per_second=1.0, chat_burst=1)
    world = sender.client.world
    ana, blocked = peer(10_001), sender.client.find("blocked_bruno")
    assert sender.send(ana, random_id=1) is None
    for _ in range(5):
        assert sender.send(ana, random_id=1) is None
    with pytest.raises(RpcError, match="USER_IS_BLOCKED"):
        sender.client.send(blocked, allow_paid_floodskip=True)
    with pytest.raises(RpcError, match="MESSAGE_EMPTY"):
        sender.client.send(peer(10_002), "", allow_paid_floodskip=True)
    assert sender.send(ana, random_id=2) == "FLOOD_WAIT_1"
    assert world.stars_spent(BOT_ID) == 0
    assert sender.send() is None
    assert world.stars_spent(BOT_ID) == Decimal("0.1")


def test_a_payment_skips_a_wait_that_was_named_and_does_not_lengthen_it():
    sender = paid_bot(bot_messages_per_second=0.1, bot_burst=1)
    sender.paid = False
    assert sender.passes() == 1
    sender.paid = True
    for _ in range(5):
        sender.client.now += 1
        assert sender.send() is None
    assert sender.client.world.stars_spent(BOT_ID) == Decimal("0.5")
    sender.paid = False
    sender.client.now += 5
    assert sender.send() is None


def test_without_the_flag_nothing_is_paid_and_a_person_cannot_pay():
    sender = paid_bot(bot_burst=1, user_messages_per_second=1.0, user_burst=1)
    sender.paid = False
    assert sender.passes() == 1
    person = Sender(user(sender.client.world), paid=True)
    assert person.send(ME) is None
    assert person.send(ME) == "FLOOD_WAIT_1"
    assert sender.client.world.stars_spent(BOT_ID) == 0
    assert sender.client.world.stars_spent(12345) == 0


def test_what_was_spent_survives_a_restart():
    limits = {"stars": 1, "bot_burst": 1, "bot_messages_per_second": 0.1}
    sender = paid_bot(**limits)
    for _ in range(9):
        assert sender.send() is None
    drained = copy_of(sender.client.world, **limits)
    again = Sender(Client(drained, key_id=2), paid=True)
    again.sent = 100
    assert drained.stars_spent(BOT_ID) == Decimal("0.8")
    assert again.passes() == 1 + 2  # the buckets are new, the balance is not


# Strangers


def strangers(world: World, count: int) -> tuple[Client, list[Any]]:
    client = user(world)
    return client, [client.find(f"stranger_{n}") for n in range(count)]


def test_by_default_the_51st_stranger_of_a_day_is_a_peer_flood_and_contacts_still_work():
    friend = parse_peer("@fine_friend")
    client, people = strangers(World(contacts=[friend]), 55)
    sender = Sender(client)
    for person in people[:50]:
        assert sender.send(person) is None
        client.now += 1
    client.now += 100
    assert [sender.send(person) for person in people[50:]] == ["PEER_FLOOD"] * 5
    assert sender.send(client.find("fine_friend")) is None
    contact = types.InputPhoneContact(1, "+34600001000", "Ana", "")
    imported = client.ask(functions.contacts.ImportContactsRequest([contact])).users[0]
    assert sender.send(types.InputPeerUser(imported.id, imported.access_hash)) is None
    assert sender.send(ME) is None
    assert sender.send(client.find("some_group")) is None
    assert sender.send(client.find("echo_bot")) is None
    assert sender.send(people[0], text="once more") is None
    assert client.world.floods == 0


def test_a_stranger_counts_for_a_day_and_once():
    client, people = strangers(free_world(strangers=2), 6)
    sender = Sender(client)
    for _ in range(3):
        assert sender.send(people[0]) is None
    assert sender.send(people[1]) is None
    client.now += DAY - 1
    assert sender.send(people[2]) == "PEER_FLOOD"
    client.now += 1
    assert [sender.send(person) for person in people[2:5]] == [None, None, "PEER_FLOOD"]
    assert sender.send(people[0]) is None


def test_a_stranger_who_was_not_reached_does_not_count():
    client, people = strangers(free_world(strangers=1), 1)
    with pytest.raises(RpcError, match="USER_IS_BLOCKED"):
        client.send(client.find("blocked_bruno"))
    assert Sender(client).send(people[0]) is None


def test_the_time_of_strangers_can_be_set_and_none_may_be_allowed():
    client, people = strangers(free_world(strangers=1, strangers_seconds=10), 2)
    sender = Sender(client)
    assert sender.send(people[0]) is None
    assert sender.send(people[1]) == "PEER_FLOOD"
    client.now += 10
    assert sender.send(people[1]) is None
    client, people = strangers(free_world(strangers=0), 1)
    assert Sender(client).send(people[0]) == "PEER_FLOOD"


def test_a_bot_has_no_strangers():
    sender = bot_with(strangers=0)
    assert {sender.send() for _ in range(100)} == {None}


def test_strangers_survive_a_restart():
    client, people = strangers(free_world(strangers=2), 4)
    for person in people[:2]:
        assert Sender(client).send(person) is None
    copy = Client(copy_of(client.world, strangers=2))
    assert Sender(copy).send(people[2]) == "PEER_FLOOD"
    assert copy.send(people[0], random_id=9)


# None, and a file


def test_none_lets_everything_pass():
    client, people = strangers(World(limits=Limits.none()), 200)
    assert {Sender(client).send(person) for person in people} == {None}
    assert {Sender(client).send(ME, random_id=n) for n in range(100, 500)} == {None}
    sender = Sender(bot(client.world))
    assert {sender.send(to) for to in (peer(GROUP), peer(10_001)) for _ in range(500)} == {None}
    assert client.world.floods == 0


def test_none_is_published_but_for_what_it_lets_pass():
    published, none = Limits(), Limits.none()
    for field in fields(Limits):
        is_rate = "messages_per" in field.name or field.name == "strangers"
        kept = None if is_rate else getattr(published, field.name)
        assert getattr(none, field.name) == kept


def test_limits_are_meant_by_a_word_or_by_a_path(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "none").write_text("strangers: 7\n")
    assert named_limits("published") == Limits()
    assert named_limits("none") == Limits.none()
    for path in ("./none", str(tmp_path / "none"), "~/none"):
        assert named_limits(path) == Limits(strangers=7)


def test_a_file_sets_what_it_names(tmp_path: Path):
    path = tmp_path / "limits.yaml"
    path.write_text(
        "# ours\nbot_messages_per_second: 25\nbot_burst: 5\npaid_stars_per_message: 0.1\n"
        "strangers: none\nchat_messages_per_second: NULL\ngap: 7\n"
    )
    assert read_limits(path) == Limits(
        bot_messages_per_second=25.0,
        bot_burst=5,
        paid_stars_per_message=Decimal("0.1"),
        strangers=None,
        chat_messages_per_second=None,
        gap=7,
    )
    path.write_text("")
    assert read_limits(path) == Limits()
    path.write_text(json.dumps({"user_burst": 3}))
    assert read_limits(path) == Limits(user_burst=3)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("- 1", "1: the limits: expected `key: value` of bot_messages_per_second, "),
        ("page: 1\nbot_brust: 3", "2: the limits: unknown key 'bot_brust': did you mean bot_b"),
        ("xyz: 3", "1: the limits: unknown key 'xyz': there are bot_messages_per_second, "),
        ("page: 1\npage: 2", "2: page is given twice"),
        ("bot_burst: 1.5", "1: bot_burst must be a whole number, not '1.5'"),
        ("bot_burst: none", "1: bot_burst must be a whole number, not 'none'"),
        ("\n\nbot_burst: 0", "3: bot_burst must be 1 or more, not 0"),
        ("strangers: few", "1: strangers must be a whole number or none, not 'few'"),
        ("strangers:", "1: strangers must be a whole number or none, not ''"),
        ("strangers: [1]", "1: strangers must be a whole number or none, not a structure"),
        ("strangers: -1", "1: strangers must be 0 or more"),
        ("bot_messages_per_second: fast", "1: bot_messages_per_second must be a number or none"),
        ("bot_messages_per_second: 0", "1: bot_messages_per_second must be more than 0"),
        ("bot_messages_per_second: .inf", "1: bot_messages_per_second must be a number or none"),
        (
            "bot_messages_per_second: inf",
            "1: bot_messages_per_second must be 1,000,000,000,000 at most, not inf",
        ),
        ("group_messages_per_minute: nan", "1: group_messages_per_minute must be more than 0"),
        ("strangers_seconds: none", "1: strangers_seconds must be a number, not 'none'"),
        ("flood_growth: 0.5", "1: flood_growth must be 1 or more"),
        ("paid_stars_per_message: dear", "1: paid_stars_per_message must be a number, not 'dear'"),
        ("paid_stars_per_message: sNaN", "1: paid_stars_per_message must be a number"),
        ("paid_stars_per_message: -0.1", "1: paid_stars_per_message must be 0 or more"),
        (f"stars: 1{'0' * 400}", "1: stars must be 1,000,000,000,000 at most"),
        ("a: b: c", "1: not YAML: "),
    ],
)
def test_a_wrong_file_is_told_by_line_and_name(tmp_path: Path, text, complaint):
    path = tmp_path / "limits.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=f"^{re.escape(f'{path}:{complaint}')}"):
        read_limits(path)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path):
    path = tmp_path / "limits.yaml"
    with pytest.raises(SettingsError, match=r"limits\.yaml: there is no such file; limits are"):
        read_limits(path)
    with pytest.raises(SettingsError, match=r"publsihed: there is no such file; .*`published`"):
        named_limits("publsihed")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_limits(tmp_path)
    path.write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="not UTF-8"):
        read_limits(path)


def test_wrong_limits_in_a_program_are_told_by_name():
    with pytest.raises(ValueError, match=r"^chat_burst must be 1 or more"):
        Limits(chat_burst=0)


def test_a_sandbox_that_stays_refuses_wrong_limits_at_the_start(tmp_path: Path):
    (tmp_path / "limits.yaml").write_text("strangres: 5")
    with Cli(tmp_path) as cli:
        ended = cli.run("sandbox", "serve", "--port", "0", "--limits", "limits.yaml")
    assert ended.code == 2
    assert "limits.yaml:1: the limits: unknown key 'strangres': did you mean" in ended.err
