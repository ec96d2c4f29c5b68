"""What looks like a slip is asked about: each question, with somebody to ask and without."""

from __future__ import annotations

import asyncio
import tracemalloc
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from broadcast.core.asker import DOUBTS, Ask, Question
from broadcast.core.errors import DeclinedError, InputError, MessageError, UnconfirmedError
from broadcast.core.model import Action, Attachment, Media, Message
from broadcast.people.audience import CHUNK, Audience
from broadcast.service.plan import AGAIN_WITHIN
from broadcast.service.requests import AudienceRequest, ChangeRequest
from tests.clocks import START
from tests.service.fakes import ScriptedAsker
from tests.service.harness import HELLO, at, on_virtual_time, people

if TYPE_CHECKING:
    from pathlib import Path

    from broadcast.core.model import Contact
    from broadcast.service.plan import Plan
    from broadcast.service.requests import SendRequest
    from tests.service.harness import Harness


def doubtful(bot: Harness, code: Ask, *, confirmed: bool = False) -> SendRequest:
    """A request for three people, whose list is in doubt."""
    doubt = Question(code, 2, told="2 peers look odd")
    request = bot.request(confirmed=confirmed)
    chosen = Audience(people(3), doubts=[doubt])
    return replace(request, audience=replace(request.audience, chosen=chosen))


def asked(plan: Plan) -> list[Ask]:
    return [question.code for question in plan.questions]


@pytest.mark.parametrize("code", sorted(DOUBTS))
@on_virtual_time
async def test_a_doubt_that_nobody_can_answer_sends_nothing(bot: Harness, code: Ask) -> None:
    plan = await bot.service.plan(doubtful(bot, code))
    with pytest.raises(UnconfirmedError, match=r"2 peers look odd.*nothing was sent") as refused:
        await bot.service.send(plan, bot.reporter)
    assert [question.code for question in refused.value.questions] == [code]
    assert (bot.texts, bot.accounts.opened, list(await bot.service.list())) == ([], 0, [])


@pytest.mark.parametrize("code", sorted(DOUBTS))
@on_virtual_time
async def test_a_doubt_is_asked_about_or_confirmed_beforehand(bot: Harness, code: Ask) -> None:
    bot.asker = ScriptedAsker([False, True])
    plan = await bot.service.plan(doubtful(bot, code))
    with pytest.raises(DeclinedError):
        await bot.service.send(plan, bot.reporter)
    assert bot.texts == []
    assert (await bot.service.send(plan, bot.reporter)).counts.sent == 3
    confirmed = doubtful(bot, code, confirmed=True)
    plan = await bot.service.plan(replace(confirmed, message=Message("another")))
    assert asked(plan) == [code]
    assert (await bot.service.send(plan, bot.reporter)).counts.sent == 3


@on_virtual_time
async def test_the_very_same_again_is_asked_about(bot: Harness) -> None:
    first = await bot.send(to=3)
    await asyncio.sleep((timedelta(minutes=1)).total_seconds())
    again = await bot.service.plan(bot.request(to=people("friend2", "friend3")))
    (question,) = again.questions
    assert (question.code, question.count, question.broadcast) == (
        Ask.SAME_AGAIN,
        1,
        first.broadcast,
    )
    assert question.told.startswith("1 person got this very message 1 min 00 s ago")
    bot.asker = ScriptedAsker([False])
    with pytest.raises(DeclinedError):
        await bot.service.send(again, bot.reporter)
    bot.asker = None  # a timer that sends the same each hour is no slip
    assert (await bot.service.send(again, bot.reporter)).counts.sent == 2


@on_virtual_time
async def test_the_same_is_no_slip_for_others_or_later_or_once_recalled(bot: Harness) -> None:
    first = await bot.send(to=3)
    assert asked(await bot.service.plan(bot.request(to=people("somebody")))) == []
    assert asked(await bot.service.plan(bot.request(Message(HELLO.text, silent=True)))) == []
    await asyncio.sleep((AGAIN_WITHIN + timedelta(seconds=1)).total_seconds())
    assert asked(await bot.service.plan(bot.request())) == []
    second = await bot.send(to=3)
    assert asked(await bot.service.plan(bot.request())) == [Ask.SAME_AGAIN]
    await bot.recall(first.broadcast, confirmed=True)
    await bot.recall(second.broadcast, confirmed=True)
    assert asked(await bot.service.plan(bot.request())) == []


@on_virtual_time
async def test_to_find_who_has_just_got_it_takes_no_memory_for_each_recipient(bot: Harness) -> None:
    await bot.send(to=3)

    async def peak(count: int) -> int:
        request = bot.request(to=count)
        tracemalloc.start()
        plan = await bot.service.plan(request)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert plan.questions[0].count == 3
        return most

    few, many = await peak(2 * CHUNK), await peak(4 * CHUNK)
    assert (many - few) / (2 * CHUNK) < 10


@pytest.mark.parametrize("who", ["bot", "person"])
@on_virtual_time
async def test_the_same_at_a_time_is_asked_about_until_its_time_has_passed(
    request: pytest.FixtureRequest, who: str
) -> None:
    harness: Harness = request.getfixturevalue(who)
    soon = replace(HELLO, when=at(START + timedelta(days=3)))
    first = await harness.send(soon, to=3)
    later = replace(HELLO, when=at(START + timedelta(days=3, minutes=1)))
    await asyncio.sleep(timedelta(days=2).total_seconds())
    (question,) = (await harness.service.plan(harness.request(later, to=3))).questions
    assert (question.code, question.count) == (Ask.SAME_AGAIN, 3)
    assert question.told.startswith(
        f"3 people get this very message already, at its time, by broadcast {first.broadcast}"
    )
    plan = await harness.service.plan(harness.request(to=people("friend2", "somebody")))
    assert [each.count for each in plan.questions] == [1]
    await asyncio.sleep(timedelta(days=3).total_seconds())
    assert asked(await harness.service.plan(harness.request(to=3))) == []


@on_virtual_time
async def test_whether_to_send_is_asked_last(bot: Harness) -> None:
    await bot.send(to=30)
    assert asked(await bot.service.plan(bot.request(to=30))) == [Ask.SAME_AGAIN, Ask.SEND]


@on_virtual_time
async def test_marks_of_another_format_are_asked_about(bot: Harness) -> None:
    own = replace(people("ben")[0], overrides={"text": "<b>a</b>"})
    plan = await bot.service.plan(bot.request(Message("*a*"), to=[own, *people("ana", "carl")]))
    (everybody, ben) = plan.questions
    assert (everybody.code, everybody.count) == (Ask.OTHER_MARKUP, 3)
    assert everybody.told.startswith(
        "the message has '*a*' in it, and everybody would read just that in markdown"
    )
    assert (ben.code, ben.count) == (Ask.OTHER_MARKUP, 1)
    assert ben.told.startswith("Ben: the message has '<b>' in it")
    with pytest.raises(UnconfirmedError):
        await bot.service.send(plan, bot.reporter)
    assert bot.texts == []


@on_virtual_time
async def test_an_edit_is_doubted_and_refused_like_a_message(bot: Harness) -> None:
    sent = await bot.send(to=replaced(people("ana"), fields={"city": "Madrid"}))
    with pytest.raises(UnconfirmedError, match="has '<b>' in it"):
        await bot.edit(sent.broadcast, "<b>b</b>")
    with pytest.raises(MessageError, match=r"Ana has a field of that name.*is no template"):
        await bot.edit(sent.broadcast, "now in {city}")
    assert {action for action, _ in bot.tried} == {Action.SEND}
    await bot.edit(sent.broadcast, "<b>b</b>", confirmed=True)
    assert bot.texts[-1] == ("@ana", "<b>b</b>")


def replaced(contacts: list[Contact], **fields: Any) -> list[Contact]:
    return [replace(each, **fields) for each in contacts]


@on_virtual_time
async def test_a_word_of_a_spreadsheet_is_asked_about_in_a_send_and_in_an_edit(
    bot: Harness,
) -> None:
    bot.asker = ScriptedAsker([True, True])
    some = [replace(one, fields={"city": "#N/A"}) for one in people(2)]
    plan = await bot.service.plan(bot.request(Message("{{ city }}", template=True), some))
    assert asked(plan) == [Ask.SPREADSHEET_WORDS]
    sent = await bot.service.send(plan, bot.reporter)
    new = Message("in {{ city }}", template=True)
    found = await bot.service.plan_change(ChangeRequest(sent.broadcast, Action.EDIT, new))
    assert [each.code for each in found.questions] == [Ask.SPREADSHEET_WORDS, Ask.EDIT]


@pytest.mark.parametrize("name", ["friends.yaml", ".env", "x/../friends.yaml", "ana.session"])
@on_virtual_time
async def test_a_private_file_that_is_attached_is_asked_about(
    bot: Harness, tmp_path: Path, name: str
) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "friends.yaml").write_text('- "@ana"\n')
    path = tmp_path / name
    path.write_text('- "@ana"\n')
    file = Attachment(str(path), Media.DOCUMENT, "0" * 64, 9)
    request = bot.request(replace(HELLO, files=(file,)))
    audience = AudienceRequest(tmp_path / "friends.yaml")
    plan = await bot.service.plan(replace(request, audience=audience))
    assert asked(plan) == [Ask.PRIVATE_FILE]
    other = replace(file, path=str(tmp_path / "menu.pdf"))
    request = bot.request(replace(HELLO, files=(other,)))
    assert asked(await bot.service.plan(replace(request, audience=audience))) == []


@on_virtual_time
async def test_a_few_letters_of_an_id_change_nothing(bot: Harness) -> None:
    sent = await bot.send(to=1)
    for action in (Action.EDIT, Action.RECALL):
        asks = ChangeRequest(sent.broadcast[:3], action, Message("new"))
        with pytest.raises(InputError, match="at least 4 characters of it; nothing was changed"):
            await bot.service.plan_change(asks)
    await bot.recall(sent.broadcast[:4], confirmed=True)
