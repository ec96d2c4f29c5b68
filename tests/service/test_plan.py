"""Plans: who is chosen, from which list, what is shown, how long it takes, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from broadcast.core.errors import ContactsError, MessageError, SelectorError
from broadcast.core.model import Deferred, Message, Scope
from broadcast.service.options import RunOptions
from broadcast.service.requests import AudienceRequest, SendRequest
from tests.service.harness import HELLO, Harness, on_virtual_time, people

if TYPE_CHECKING:
    from pathlib import Path

LIST = """\
- {peer: "@ana", name: Ana, tags: [best]}
- {peer: "@ben", name: Ben, fields: {city: Madrid}, message: {text: Only for Ben}}
- {peer: "@ana", name: Ana again}
"""


@pytest.fixture
def contacts(tmp_path: Path) -> Path:
    path = tmp_path / "contacts.yaml"
    path.write_text(LIST)
    return path


@on_virtual_time
async def test_the_list_is_found_where_it_usually_is(bot: Harness, contacts: Path) -> None:
    elsewhere = contacts.with_name("elsewhere.yaml")
    bot.lists = (elsewhere, contacts)
    plan = await bot.service.plan(SendRequest(HELLO))
    assert [contact.peer.text for contact in plan.audience] == ["@ana", "@ben"]
    elsewhere.write_text("- '@carl'\n")
    plan = await bot.service.plan(SendRequest(HELLO))
    assert [contact.peer.text for contact in plan.audience] == ["@carl"]


@on_virtual_time
async def test_without_a_list_it_is_said_where_one_was_looked_for(
    bot: Harness, tmp_path: Path
) -> None:
    bot.lists = (tmp_path / "a.yaml", tmp_path / "b.yaml")
    with pytest.raises(ContactsError, match=r"neither .*a\.yaml nor .*b\.yaml exists"):
        await bot.service.plan(SendRequest(HELLO))


@on_virtual_time
async def test_what_is_odd_in_a_list_is_a_warning(bot: Harness, contacts: Path) -> None:
    plan = await bot.service.plan(SendRequest(HELLO, AudienceRequest(contacts)))
    (warning,) = plan.audience.warnings
    assert (warning.line, warning.is_error) == (3, False)


@on_virtual_time
async def test_selectors_choose(bot: Harness, contacts: Path) -> None:
    async def chosen(to: tuple[str, ...], exclude: tuple[str, ...]) -> list[str]:
        plan = await bot.service.plan(SendRequest(HELLO, AudienceRequest(contacts, to, exclude)))
        return [contact.peer.text for contact in plan.audience]

    assert await chosen(("best",), ()) == ["@ana"]
    assert await chosen((), ("Ana",)) == ["@ben"]
    with pytest.raises(SelectorError, match="nobody"):
        await chosen(("nobody",), ())


@on_virtual_time
async def test_every_mistake_of_a_list_is_told_at_once(bot: Harness, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text("- {peer: ''}\n- '@ana'\n- {peer: 'not a peer!'}\n")
    with pytest.raises(ContactsError, match="2 mistakes in the contact list") as caught:
        await bot.service.plan(SendRequest(HELLO, AudienceRequest(path)))
    assert [problem.line for problem in caught.value.problems] == [1, 3]


@on_virtual_time
async def test_who_cannot_get_it_is_named_with_file_and_line(bot: Harness, contacts: Path) -> None:
    message = Message("From {{ city }}", template=True)
    with pytest.raises(ContactsError, match="one contact cannot get this message") as caught:
        await bot.service.plan(SendRequest(message, AudienceRequest(contacts)))
    (problem,) = caught.value.problems
    assert (problem.source, problem.line) == (str(contacts), 1)


@on_virtual_time
async def test_a_message_that_is_wrong_for_all_is_told_once(bot: Harness) -> None:
    with pytest.raises(MessageError):
        await bot.service.plan(bot.request(Message("")))


@on_virtual_time
async def test_a_preview_shows_each_what_they_get(bot: Harness, contacts: Path) -> None:
    message = Message("Hi {{ name }}", template=True)
    plan = await bot.service.plan(SendRequest(message, AudienceRequest(contacts)))
    report = await bot.service.send(plan, bot.reporter)
    assert report.counts.sent == 2
    assert [contact.peer.text for contact, _ in plan.previews()] == ["@ana", "@ben"]
    assert bot.texts == [("@ana", "Hi Ana"), ("@ben", "Only for Ben")]
    assert len(list(plan.previews())) == 2  # as often as one likes


@on_virtual_time
async def test_a_plan_says_how_many_messages_and_how_long(bot: Harness, person: Harness) -> None:
    plan = await bot.service.plan(bot.request(to=330))
    assert plan.messages == 330
    assert plan.seconds == pytest.approx(10, abs=1)
    slow = await bot.service.plan(bot.request(to=330, rate=3.0))
    assert slow.seconds == pytest.approx(110, abs=2)
    assert (await bot.service.plan(bot.request(to=330, rate=0.0))).seconds == 0
    by_person = await person.service.plan(person.request(to=110))
    assert by_person.seconds == pytest.approx(100, abs=2)
    split = Message("word " * 1500, split=True)
    assert (await bot.service.plan(bot.request(split, to=3))).messages == 6


@on_virtual_time
async def test_a_plan_counts_the_wait_that_is_on(bot: Harness) -> None:
    flood = Deferred("FLOOD_WAIT", "asks to wait", 2000.0, Scope.ACCOUNT)
    bot.become(script={"@friend0": flood})
    await bot.send(to=1)
    plan = await bot.service.plan(bot.request(Message("another"), to=1))
    assert 1900 < plan.seconds < 2010


@on_virtual_time
async def test_a_plan_makes_nothing(bot: Harness) -> None:
    await bot.service.plan(bot.request(to=30, once="k", paid=True, stars_budget=5))
    assert (bot.accounts.opened, list(await bot.service.list())) == (0, [])


@on_virtual_time
async def test_a_plan_is_of_the_options_that_were_asked_for(bot: Harness) -> None:
    request = replace(bot.request(), options=RunOptions(rate=7.0))
    plan = await bot.service.plan(request)
    assert (plan.options.rate, plan.is_bot, plan.is_done) == (7.0, True, False)
    assert [contact.name for contact in plan.audience] == [each.name for each in people(3)]
