"""A key and its audience: another choice is refused, and who is new gets it only when asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadcast.core.errors import DeclinedError, InputError
from broadcast.core.model import Halted, Message, State
from broadcast.service.requests import AudienceRequest, SendRequest
from tests.service.fakes import ScriptedAsker
from tests.service.harness import HELLO, SIX, Harness, at, on_virtual_time, opened, people
from tests.service.patient_loop import run

if TYPE_CHECKING:
    from broadcast.service.plan import Plan
    from broadcast.service.reports import Report

OFFLINE = Halted("OFFLINE", "no connection", ends_by_itself=True)
NAMES = [f"friend{number}" for number in range(6)]


def write(path: Path, *names: str, **more: str) -> Path:
    """A list of these, the first of whom is one of the best."""
    tags = [{"tags": ["best"]}, *({} for _ in names)]
    who = zip(names, tags, strict=False)
    rows = ({"peer": f"@{name}", "fields": more, **tag} for name, tag in who)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def request(path: Path, message: Message = HELLO, **given: Any) -> SendRequest:
    chosen = {name: given.pop(name) for name in ("to", "exclude") if name in given}
    return SendRequest(message, AudienceRequest(path, **chosen), once="k", **given)


async def planned(harness: Harness, path: Path, message: Message = HELLO, **given: Any) -> Plan:
    return await harness.service.plan(request(path, message, **given))


async def sent(harness: Harness, path: Path, message: Message = HELLO, **given: Any) -> Report:
    plan = await planned(harness, path, message, **given)
    return await harness.service.send(plan, harness.reporter)


async def refused(harness: Harness, path: Path, message: Message = HELLO, **given: Any) -> str:
    before = len(harness.texts)
    with pytest.raises(InputError) as caught:
        await planned(harness, path, message, **given)
    assert len(harness.texts) == before
    return caught.value.code


@on_virtual_time
async def test_another_choice_under_a_used_key_is_refused(bot: Harness, tmp_path: Path) -> None:
    """It said "was sent already", and the others got nothing."""
    path = write(tmp_path / "a.jsonl", *NAMES)
    await sent(bot, path, to=("best",))
    for other in ({}, {"to": ("@friend2",)}, {"to": ("best",), "exclude": ("@friend3",)}):
        assert await refused(bot, path, **other) == "ONCE_OTHER_AUDIENCE"
    assert (await planned(bot, path, to=("BEST ",))).is_done
    assert [peer for peer, _ in bot.texts] == ["@friend0"]


@on_virtual_time
async def test_also_while_it_is_unfinished(bot: Harness, tmp_path: Path) -> None:
    bot.become(script={"@friend1": OFFLINE})
    path = write(tmp_path / "a.jsonl", *NAMES)
    first = await sent(bot, path)
    assert first.counts.pending
    assert await refused(bot, path, to=("best",)) == "ONCE_OTHER_AUDIENCE"


@on_virtual_time
async def test_who_is_new_is_counted_and_gets_it_when_asked_for(
    bot: Harness, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.jsonl", *NAMES[:2])
    first = await sent(bot, path)
    write(path, *NAMES[:5])
    plan = await planned(bot, path)
    assert (plan.newcomers, plan.is_done, list(plan.previews())) == (3, True, [])
    assert (await bot.service.send(plan, bot.reporter)).counts.sent == 2
    plan = await planned(bot, path, include_new=True)
    assert (plan.newcomers, plan.is_done, plan.messages) == (3, False, 3)
    assert [contact.peer.value for contact, _ in plan.previews()] == NAMES[2:5]
    rehearsal = await bot.service.rehearse(plan, bot.reporter)
    assert rehearsal.report.counts.sent == 3
    report = await bot.service.send(plan, bot.reporter)
    assert (report.broadcast, report.counts.sent, report.state) == (first.broadcast, 5, State.DONE)
    assert [peer for peer, _ in bot.texts] == [f"@{name}" for name in NAMES[:5]]
    again = await planned(bot, path, include_new=True)
    assert (again.newcomers, again.is_done) == (0, True)


@on_virtual_time
async def test_another_list_is_fine_when_nobody_in_it_is_new(bot: Harness, tmp_path: Path) -> None:
    await sent(bot, write(tmp_path / "a.jsonl", *NAMES[:3]))
    assert (await planned(bot, write(tmp_path / "b.jsonl", *NAMES[2::-1]))).is_done
    other = write(tmp_path / "c.jsonl", *NAMES[2:4])
    assert await refused(bot, other) == "ONCE_OTHER_AUDIENCE"
    assert await refused(bot, other, include_new=True) == "ONCE_OTHER_AUDIENCE"


@on_virtual_time
async def test_where_nobody_knows_how_they_were_chosen_the_people_decide(
    bot: Harness, tmp_path: Path
) -> None:
    """As before the ledger kept it, and where a program has chosen."""
    await bot.send(HELLO, people(*NAMES[:2]), once="k")
    path = write(tmp_path / "a.jsonl", *NAMES[:4])
    assert (await planned(bot, path, to=("best",))).newcomers == 0
    assert (await planned(bot, path)).newcomers == 2
    assert (await sent(bot, path, include_new=True)).counts.sent == 4


@on_virtual_time
async def test_without_a_list_it_is_still_known_that_it_was_sent(
    bot: Harness, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.jsonl", *NAMES)
    bot.lists = (path,)
    usual = SendRequest(HELLO, once="k")
    await bot.service.send(await bot.service.plan(usual), bot.reporter)
    path.unlink()
    assert (await bot.service.plan(usual)).is_done
    with pytest.raises(InputError, match="cannot be read"):
        await planned(bot, path)


@on_virtual_time
async def test_who_is_new_is_checked_like_all_the_others(bot: Harness, tmp_path: Path) -> None:
    message = Message("Hi {{ city }}", template=True)
    path = write(tmp_path / "a.jsonl", *NAMES[:2], city="Rome")
    first = await sent(bot, path, message)
    write(path, *NAMES[:3])
    assert (await planned(bot, path, message)).newcomers == 1
    assert await refused(bot, path, message, include_new=True) == "CONTACTS"
    await bot.edit(first.broadcast, "Hi")
    assert await refused(bot, path, message, include_new=True) == "EDITED"
    await bot.recall(first.broadcast)
    assert await refused(bot, path, message, include_new=True) == "RECALLED"


@on_virtual_time
async def test_nobody_is_added_to_what_has_a_time(bot: Harness, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", *NAMES[:2])
    await sent(bot, path, replace(HELLO, when=at(SIX)))
    write(path, *NAMES[:3])
    assert (await planned(bot, path)).newcomers == 1
    assert await refused(bot, path, include_new=True) == "SCHEDULED"


@on_virtual_time
async def test_it_needs_a_key(bot: Harness) -> None:
    with pytest.raises(InputError, match="--once KEY"):
        await bot.service.plan(replace(bot.request(), include_new=True))


@on_virtual_time
async def test_more_than_a_few_new_ones_are_asked_about(bot: Harness, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", *NAMES)
    await sent(bot, path)
    write(path, *NAMES, *(f"new{number}" for number in range(21)))
    plan = await planned(bot, path, include_new=True)
    bot.asker = ScriptedAsker([False])
    with pytest.raises(DeclinedError):
        await bot.service.send(plan, bot.reporter)
    (question,) = bot.asker.asked
    assert (question.count, question.sending and question.sending.messages) == (21, 21)
    assert len(bot.texts) == len(NAMES)


@on_virtual_time
async def test_a_key_that_another_process_has_just_used_for_others_is_refused(
    bot: Harness, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.jsonl", *NAMES[:3])
    late = [
        await planned(bot, path, to=("best",)),
        await planned(bot, write(tmp_path / "b.jsonl", *NAMES[:4])),
    ]
    await sent(bot, path)
    for plan in late:
        with pytest.raises(InputError) as caught:
            await bot.service.send(plan, bot.reporter)
        assert caught.value.code == "ONCE_OTHER_AUDIENCE"
    assert len(bot.texts) == 3


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.sets(st.sampled_from(NAMES), min_size=1), st.booleans(), st.booleans()),
        max_size=5,
    )
)
def test_whatever_the_list_becomes_everybody_gets_it_once_or_not_at_all(
    steps: list[tuple[set[str], bool, bool]],
) -> None:
    """Law: whoever was listed when it was first sent, or when new ones were included, has it once;
    also when the run was cut short on the way."""

    async def case(harness: Harness, folder: Path) -> None:
        path, wanted, got = folder / "list.jsonl", set[str](), list[str]()
        for number, (names, include_new, is_cut) in enumerate(steps):
            write(path, *sorted(names))
            if include_new or not number:
                wanted |= names
            script = dict.fromkeys((f"@{name}" for name in sorted(names)[1:]), OFFLINE)
            harness.become(script=script if is_cut else {})
            await sent(harness, path, include_new=include_new)
            got += [peer for peer, _ in harness.texts]
        harness.become()
        if steps:
            await sent(harness, write(path, *sorted(steps[0][0])))
            got += [peer for peer, _ in harness.texts]
        assert sorted(got) == sorted(f"@{name}" for name in wanted)

    with TemporaryDirectory() as name, opened(Path(name)) as harness:
        run(case(harness, Path(name)))
