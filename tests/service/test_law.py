"""The law of the plan, over generated requests.

What `plan` accepts `send` does not refuse for a reason that could have been known without Telegram;
and dry run, preview, question, rehearsal and send say the same.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from broadcast.core.asker import Ask
from broadcast.core.errors import BroadcastError, InputError, SettingsError
from broadcast.core.model import (
    Attachment,
    Button,
    Contact,
    Format,
    Halted,
    Media,
    Message,
    When,
)
from broadcast.core.peers import parse_peer
from broadcast.message.placeholders import fill
from broadcast.message.text import parts
from broadcast.people.audience import Audience
from broadcast.service.options import RunOptions
from broadcast.service.plan import ASK_ABOVE
from broadcast.service.reports import Report
from broadcast.service.requests import AudienceRequest, SendRequest
from broadcast.staging import RehearsalStages
from tests.clocks import START
from tests.service.fakes import ME, SIGNED_OUT, FakeAccounts, FakeStages, ScriptedAsker
from tests.service.harness import SIX, Harness, at, opened
from tests.service.patient_loop import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadcast.service.plan import Plan

OFFLINE = Halted("OFFLINE", "no connection", ends_by_itself=True)
BUTTONS = ((Button("A", "https://a.b"),),)
PICTURE = Attachment("/there/a.png", Media.PHOTO, "0" * 64, 10)
HUGE = Attachment("/there/b.mp4", Media.VIDEO, "1" * 64, 3_000 * 2**20)

TEMPLATES = st.sampled_from(
    [
        "Hi {{ name }}",
        "Hi {{ name|default('you') }} from {{ city|default('there') }}",
        "It is {{ now.hour }}:{{ now.minute }}:{{ now.second }}",
        "{% if now.hour < 13 %}Good day{% else %}{{ city }}{% endif %}",
        "{% if now.hour < 13 %}Good day{% else %}" + "word " * 1500 + "{% endif %}",
        "{{ name|default('you') }} " + "word " * 1500,
        "{{ tags|length }} {{ broken",
    ]
)
TEXTS = TEMPLATES | st.sampled_from(
    [
        "I bought a car!",
        "**Bold** news",
        "<b>Bold</b> news",
        "<b>Not closed",
        "word " * 1500,
        "x" * 5000,
        "",
    ]
)
WHENS = st.sampled_from(
    [
        None,
        None,
        None,
        at(SIX),
        at(SIX, of_recipient=True),
        When(SIX.replace(tzinfo=None), "Asia/Kolkata"),
        When(SIX.replace(tzinfo=None), "Nowhere/Land"),
        at(START - timedelta(hours=1)),
        at(SIX + timedelta(days=400)),
    ]
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS,
    "format": st.sampled_from(Format),
    "template": st.booleans(),
    "split": st.booleans(),
    "files": st.sampled_from([(), (), (), (PICTURE,), (PICTURE, PICTURE), (HUGE,)]),
    "buttons": st.sampled_from([(), (), (), BUTTONS]),
    "protect": st.sampled_from([False, False, True]),
    "send_as": st.sampled_from([None, None, None, parse_peer("@channel")]),
    "when": WHENS,
    "late": st.sampled_from([None, None, None, 60.0, 7200.0]),
}
PLAIN: dict[str, Any] = {"text": "Hello", "template": False, "split": False}


def some(share: int, strategies: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """A few of these fields: most requests are right, and few are wrong in everything."""
    names = st.sets(st.sampled_from(sorted(strategies)), max_size=share)
    return names.flatmap(
        lambda chosen: st.fixed_dictionaries({name: strategies[name] for name in sorted(chosen)})
    )


messages = some(4, FIELDS).map(lambda fields: Message(**{**PLAIN, **fields})) | st.builds(
    Message, TEMPLATES, template=st.just(True), split=st.booleans(), when=WHENS
)
overrides = st.one_of(st.just({}), st.just({}), st.just({}), some(2, FIELDS))


@st.composite
def contacts(draw: st.DrawFn) -> Contact:
    number = draw(st.integers(0, 29))
    fields = draw(st.sets(st.sampled_from(["city", "tz"])).map(sorted))
    values = {
        "city": "Madrid",
        "tz": draw(st.sampled_from(["Europe/Madrid", "UTC", "America/New_York", "Nowhere"])),
    }
    return Contact(
        parse_peer(f"@friend{number:02}"),
        draw(st.sampled_from(["", "Ana", "Ben Ruiz", "Ruiz, Ana"])),
        tuple(draw(st.sets(st.sampled_from(["best", "work"])).map(sorted))),
        {name: values[name] for name in fields},
        overrides=draw(overrides),
    )


selectors = st.lists(
    st.sampled_from(["best", "work", "Ana", "@friend03", "best,work", "nobody", "Ruiz, Ana"]),
    max_size=1,
).map(tuple)

options = some(
    3,
    {
        "rate": st.sampled_from([None, 0.0, 5.0, 1000.0]),
        "canary": st.integers(1, 12),
        "concurrency": st.integers(1, 30),
        "paid": st.booleans(),
        "stars_budget": st.sampled_from([1, 500]),
    },
)


@dataclass
class Case:
    """A request, and the world that it comes into."""

    message: Message
    people: Sequence[Contact]
    to: tuple[str, ...] | None  # None: chosen by a program, not from a list
    exclude: tuple[str, ...]
    options: dict[str, Any]
    once: str | None
    earlier: str
    who: dict[str, Any] = field(default_factory=dict)
    thinks: float = 0.0  # how long somebody looks at the question

    def request(self, home: Path) -> SendRequest:
        if self.to is None:
            chosen = AudienceRequest(chosen=Audience(self.people))
        else:
            chosen = AudienceRequest(self._list(home), self.to, self.exclude)
        return SendRequest(self.message, chosen, RunOptions(**self.options), once=self.once)

    def _list(self, home: Path) -> Path:
        """The contacts as a list, in which nobody has a message of their own."""
        path = home / "list.jsonl"
        lines = [
            json.dumps(
                {
                    "peer": each.peer.text,
                    "name": each.name,
                    "tags": list(each.tags),
                    "fields": dict(each.fields),
                }
            )
            for each in self.people
        ]
        path.write_text("".join(f"{line}\n" for line in lines))
        return path


cases = st.builds(
    Case,
    messages,
    st.lists(contacts(), max_size=30),
    st.one_of(st.none(), selectors),
    selectors,
    options,
    st.sampled_from([None, None, "key", "key", "key", ""]),
    st.sampled_from(["nothing", "nothing", "done", "unfinished", "cancelled", "another's"]),
    st.sampled_from(
        [
            {},
            {},
            {"is_bot": False},
            {"is_bot": False, "is_premium": True},
            {"tells": False},
            {"is_bot": False, "tells": False},
            {"missing": SIGNED_OUT},
        ]
    ),
    st.sampled_from([0.0, 0.0007, 90.0, 13 * 3600.0]),
)


async def begin(harness: Harness, case: Case) -> None:
    """What the key, or the message, was used for before."""
    if case.earlier == "nothing":
        return
    who = {**case.who, "missing": None, "tells": True}
    if case.earlier == "another's":
        who["id"] = ME + 1
    harness.become(**who, script={} if case.earlier == "done" else {"@earlier1": OFFLINE})
    people = [Contact(parse_peer(f"@earlier{number}")) for number in range(3)]
    once = case.once or None
    try:
        report = await harness.send(case.message, people, once=once, concurrency=1)
    except BroadcastError:
        return  # the message is not one that is sent
    if case.earlier == "cancelled":
        await harness.service.cancel(report.broadcast, harness.reporter)


def told(plan: Plan) -> Counter[tuple[str, str]]:
    """What a preview shows: who gets which text, a part at a time."""
    return Counter(
        (contact.peer.text, text if message.split else fill(message.text, message.values))
        for contact, message in plan.previews()
        for text, _ in (parts(message) if message.split else [(None, None)])
    )


async def check(case: Case, home: Path) -> str:
    """Plan, rehearse and send it; what became of it, in a word."""
    with opened(home) as harness:
        await begin(harness, case)
        before = list(await harness.service.list())
        harness.become(**case.who)
        harness.stages = stages = FakeStages()  # type: ignore[assignment]
        accounts = harness.accounts
        try:
            plan = await harness.service.plan(case.request(home))
        except InputError:
            assert accounts.opened == 0
            assert list(await harness.service.list()) == before
            return "refused by the plan"
        if plan.earlier is None:
            sends = [each for each in plan.questions if not each.is_doubt]
            assert [(each.code, each.count) for each in sends] == (
                [(Ask.SEND, len(plan.audience))] if len(plan.audience) > ASK_ABOVE else []
            )
            assert [contact for contact, _ in plan.previews()] == list(plan.audience)
            assert sum(told(plan).values()) == plan.messages
            await rehearsed(harness, plan, stages)
        assert list(await harness.service.list()) == before
        return await sent(harness, case, plan)


async def rehearsed(harness: Harness, plan: Plan, stages: FakeStages) -> None:
    """A rehearsal says what the preview says."""
    if plan.expected.is_bot is None:
        return  # nobody knows who would send
    rehearsal = await harness.service.rehearse(plan, harness.reporter)
    assert rehearsal.report.counts.total == plan.messages
    if rehearsal.report.halted is None:
        assert Counter(stages.built.accounts.connection.accepted) == told(plan)
    else:
        assert rehearsal.report.halted.error == "BUDGET_SPENT"
    assert (rehearsal.report.counts.failed, rehearsal.report.counts.skipped) == (0, 0)


async def sent(harness: Harness, case: Case, plan: Plan) -> str:
    harness.asker = ScriptedAsker([True] * len(plan.questions))
    await asyncio.sleep(case.thinks)
    try:
        report = await harness.service.send(plan, harness.reporter)
    except SettingsError as error:
        return missing(error, plan)
    except InputError as error:
        require_news(error, case)
        assert harness.accounts.connection.tried == []
        return "refused when signed in"
    assert len(harness.asker.asked) == len(plan.questions)
    if plan.earlier is not None:
        assert report.broadcast == plan.earlier.id
        return "gone on with"
    assert report.counts.total == plan.messages
    if report.scheduled:
        assert not report.is_unfinished
        ledger = harness.service.ledger
        while (moment := await ledger.next_moment(harness.clock.utc())) is not None:
            # Not `wait=True`: that looks every 30 seconds, and it may be years.
            await asyncio.sleep((moment - harness.clock.utc()).total_seconds())
            results = await harness.send_due(**case.options)
            assert all(isinstance(each, Report) for each in results)
    after = await harness.service.find(report.broadcast)
    if after.halted is not None:
        assert after.halted.error == "BUDGET_SPENT"
        return "halted"
    assert (after.counts.sent, after.counts.total) == (plan.messages, plan.messages)
    assert Counter(harness.accounts.connection.accepted) == told(plan)
    assert len(await harness.records(after)) == plan.messages
    return "sent"


def missing(error: SettingsError, plan: Plan) -> str:
    assert error is plan.missing
    return "sent by nobody"


def require_news(error: InputError, case: Case) -> None:
    """Only Telegram could tell who that is."""
    if case.who.get("tells", True):
        assert not case.who.get("is_bot", True)
        assert error.code == "OTHER_ACCOUNT" or "this account may send" in error.message


@settings(max_examples=100)
@given(cases)
def test_what_a_plan_accepts_is_sent_as_it_says(case: Case) -> None:
    with tempfile.TemporaryDirectory() as home:
        event(run(check(case, Path(home))))


@pytest.mark.parametrize("is_bot", [True, False])
@settings(max_examples=30)
@given(messages, st.lists(contacts(), max_size=30))
def test_the_pretend_telegram_gets_as_many_as_the_plan_says(
    is_bot: bool, message: Message, audience: Sequence[Contact]
) -> None:
    """The real stage: nobody there fails but for a reason of Telegram's."""

    async def rehearse(home: Path) -> None:
        with opened(home) as harness:
            harness.accounts = FakeAccounts(is_bot=is_bot)
            harness.stages = RehearsalStages()
            files = replace(message, files=(), send_as=None)
            people = [replace(each, overrides=without_files(each)) for each in audience]
            try:
                plan = await harness.service.plan(harness.request(files, people))
            except InputError:
                return
            rehearsal = await harness.service.rehearse(plan, harness.reporter)
            counts = rehearsal.report.counts
            assert (counts.sent, counts.total) == (plan.messages, plan.messages)

    with tempfile.TemporaryDirectory() as home:
        run(rehearse(Path(home)))


def without_files(contact: Contact) -> dict[str, object]:
    return {
        name: value for name, value in contact.overrides.items() if name not in ("files", "send_as")
    }
