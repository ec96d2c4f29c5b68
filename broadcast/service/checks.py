"""Answers, before anything is made, whether everybody can get the message and the account send it.

And what follows from the message for each one: in how many parts they get it, and when.
"""

from __future__ import annotations

from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING

from broadcast.core.asker import Ask, Question
from broadcast.core.counted import counted
from broadcast.core.errors import ContactsError, InputError, MessageError, Problem, unsent
from broadcast.core.model import Action, Contact, Status
from broadcast.message.braces import unfilled, would_be_filled
from broadcast.message.personal import as_edited, own_message, personal, problems
from broadcast.message.schema import ContentError, require_whole
from broadcast.message.when import KEPT_BY_TELEGRAM, WhenError, misses, moment_for, own_when
from broadcast.people.audience import Audience
from broadcast.people.contacts import MOST_MISTAKES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
    from datetime import datetime

    from broadcast.core.model import Account, Broadcast, Message, Record
    from broadcast.ledger.port import Store

CHUNK = 1_000  # recipients that are looked at together

ONLY_BOTS_PAY = (
    "--paid is for bots: Telegram sells nothing of the kind to people. Sign in as a bot with "
    "TELEGRAM_BOT_TOKEN, or leave --paid out; nothing was sent"
)

ONLY_PEOPLE_SCHEDULE = (
    "without a ledger a bot cannot send at a time: Telegram keeps no schedule for bots. Use "
    "`broadcast --at` and `broadcast run-due`, or send it when its time has come; nothing was sent"
)


def require_sendable(
    message: Message, audience: Collection[Contact], source: str, now: datetime
) -> tuple[Question, ...]:
    """Make the message for everybody in `audience`, and say what to ask before it is sent.

    Raises MessageError when it is wrong for everybody, and ContactsError, with the line in `source`
    of each one who cannot get it.
    """
    check = _checked(message)
    _require_filled_in(message, audience, source)
    may_have_times = message.when is not None or _any_overrides(audience)
    if not (message.template or may_have_times):
        return ()  # who they are makes no difference
    from broadcast.message.left_behind import LeftBehind  # noqa: PLC0415 - its patterns are slow

    left = LeftBehind(message)
    late = (
        Problem(source, contact.line, f"{contact.called}: {told}")
        for contact, told in misses(message.when, audience if may_have_times else (), now)
    )
    found = problems(message, left.seen(audience), now, check, source)
    _require_none(chain(found, late), source)
    return left.questions()


async def require_editable(
    message: Message, target: Broadcast, ledger: Store, now: datetime
) -> tuple[Question, ...]:
    """Make the new `message` of `target` for everybody who has the old one, and say what to ask.

    Gives and raises what `require_sendable` does. What a contact had otherwise gives way to it;
    only their own files stay, and the text is the caption of those.
    """
    check, source = _checked(message), f"broadcast {target.id}"
    found: list[Problem] = []
    from broadcast.message.left_behind import LeftBehind  # noqa: PLC0415 - its patterns are slow

    left = LeftBehind(message)
    async for people in _in_chunks(ledger.records(target, Status.SENT)):
        _require_filled_in(message, people, source)
        found += problems(message, left.seen(people), now, check, source)
        if len(found) >= MOST_MISTAKES:
            break
    _require_none(found, source)
    return left.questions()


async def _in_chunks(records: AsyncIterator[Record]) -> AsyncIterator[list[Contact]]:
    chunk: list[Contact] = []
    async for record in records:
        chunk.append(as_edited(record.delivery.contact))
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    yield chunk


def _checked(message: Message) -> Callable[[Message], None]:
    """What checks the message of each one; what is the same for all has been checked."""
    from broadcast.message.text import check  # noqa: PLC0415

    try:
        require_whole(message)
    except ContentError as error:
        raise MessageError(unsent(f"{error.key} {error}")) from None
    if not message.template:
        check(message)
    return check


def _require_filled_in(message: Message, audience: Collection[Contact], source: str) -> None:
    """Raise when a template would fill something in, and nobody has said whether this is one."""
    wanted = unfilled(message)
    if found := would_be_filled(wanted):
        raise MessageError(unsent(_not_filled_in(found)))
    if not wanted and not _any_overrides(audience):
        return
    found_by_line: list[Problem] = []
    for contact in audience:
        own = unfilled(own_message(message, contact)) if contact.overrides else wanted
        found = would_be_filled(own, contact.fields) if own else None
        if found and not contact.overrides:
            why = f" ({contact.called} has a field of that name)"
            raise MessageError(unsent(_not_filled_in(found, why)))
        if found:
            told = f"{contact.called}: {_not_filled_in(found)}"
            found_by_line.append(Problem(source, contact.line, told))
    _require_none(found_by_line, source)


def doubts_about(message: Message, audience: Collection[Contact]) -> list[Question]:
    """What somebody should be asked about the message, and about what some of them get instead."""
    from broadcast.message.doubts import doubts  # noqa: PLC0415 - its patterns are slow to make

    found = doubts(message, len(audience))
    if not _any_overrides(audience):
        return found
    of_some: dict[str, tuple[Contact, int]] = {}
    for contact in audience:
        own = own_message(message, contact) if contact.overrides else message
        if (own.text, own.format) != (message.text, message.format):
            for question in doubts(own, 1):
                first, count = of_some.get(question.told, (contact, 0))
                of_some[question.told] = first, count + 1
    for told, (first, count) in of_some.items():
        who = first.called + (f" and {counted(count - 1, 'other')}" if count > 1 else "")
        found.append(Question(Ask.OTHER_MARKUP, count, told=f"{who}: {told}"))
    return found


def _not_filled_in(written: str, why: str = "") -> str:
    return (
        f"the message says {written}{why}, and everybody would read just that, because it is no "
        "template. Fill it in with --template (in a file: template: yes); if the braces are meant, "
        "say --no-template (template: no)"
    )


def _require_none(every: Iterable[Problem], source: str) -> None:
    found = list(islice(every, MOST_MISTAKES))  # of a long list, perhaps one mistake repeated
    if found:
        people = "one contact" if len(found) == 1 else f"{len(found)} contacts"
        people += " or more" if len(found) == MOST_MISTAKES else ""
        raise ContactsError(f"{source}: {people} cannot get this message; nothing was sent", found)


def require_all_able(
    message: Message, audience: Collection[Contact], account: Account, now: datetime
) -> bool:
    """Raise what `require_able` raises for anybody's message; whether one of them has a time."""
    has_time = False
    for one in _forms(message, audience, now):
        require_able(one, account)
        has_time |= one.when is not None
    if has_time and not account.is_bot:
        _require_kept(message, audience, now)
    return has_time


def _require_kept(message: Message, audience: Iterable[Contact], now: datetime) -> None:
    """Raise InputError when Telegram would not keep it until the time of each one."""
    try:
        last = max((due_for(message, now, contact) for contact in audience), default=now)
    except WhenError as error:
        raise InputError(f"{error}; nothing was sent") from None
    if last > now + KEPT_BY_TELEGRAM:
        raise InputError(
            f"Telegram keeps messages for {KEPT_BY_TELEGRAM.days} days at most: give an earlier "
            "time; nothing was sent"
        )


def _forms(message: Message, audience: Collection[Contact], now: datetime) -> Iterator[Message]:
    """The message, and what it is for those who get another one."""
    yield message
    if _any_overrides(audience):
        yield from (personal(message, each, now) for each in audience if each.overrides)


def _any_overrides(audience: Collection[Contact]) -> bool:
    """Whether the message is another one for some of them."""
    if isinstance(audience, Audience):
        return audience.any_overrides
    return any(contact.overrides for contact in audience)


def parts_for(
    message: Message, audience: Collection[Contact], now: datetime
) -> Callable[[Contact], int] | None:
    """How many messages each one gets; None: one each."""
    if any(one.split for one in _forms(message, audience, now)):
        return partial(_parts_for, message, now)
    return None


def count_messages(message: Message, audience: Collection[Contact], now: datetime) -> int:
    """How many messages `audience` gets in all."""
    parts = parts_for(message, audience, now)
    return len(audience) if parts is None else sum(map(parts, audience))


def _parts_for(message: Message, now: datetime, contact: Contact) -> int:
    from broadcast.message.text import parts  # noqa: PLC0415

    return len(parts(personal(message, contact, now)))


def due_for(message: Message, now: datetime, contact: Contact) -> datetime:
    """When `contact` is to get it: at `now` where no time is given."""
    when = own_when(message.when, contact)
    return now if when is None else moment_for(when, contact)


def require_able(message: Message, account: Account) -> None:
    """Raise InputError when `account` is not of the kind that sends such a message."""
    from broadcast.message.files import require_allowed  # noqa: PLC0415

    if message.buttons and not account.is_bot:
        raise InputError(
            "buttons are for bots: Telegram takes none from people. Sign in as a bot with "
            "TELEGRAM_BOT_TOKEN, or leave the buttons out; nothing was sent"
        )
    if message.protect and not account.is_bot:
        raise InputError(
            "--protect is for bots: Telegram protects single messages of nobody else. Leave it "
            "out, or protect the whole chat in the app; nothing was sent"
        )
    if message.send_as and account.is_bot:
        raise InputError("--send-as is for people: a bot writes as itself; nothing was sent")
    for file in message.files:
        require_allowed(file, is_premium=account.is_premium)


def require_payable(action: Action, *, is_bot: bool | None) -> None:
    """Raise InputError where nobody can pay for it: only bots can, and only for sending.

    `is_bot` is None where nobody knows yet who sends.
    """
    if action is not Action.SEND:
        raise InputError(
            f"--paid is for sending: to {action} costs nothing. Leave --paid out; nothing was sent"
        )
    if is_bot is False:
        raise InputError(ONLY_BOTS_PAY)
