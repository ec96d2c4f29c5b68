"""A request, checked to its end before anything is made.

Dry run, preview, question, rehearsal and send all come from the same plan: so none can say what
another does not do, and what a plan accepts is not refused later for a reason that is known here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from os.path import normpath
from pathlib import PurePath
from typing import TYPE_CHECKING

from broadcast.core.asker import Ask, Question
from broadcast.core.counted import people
from broadcast.core.duration import duration
from broadcast.core.errors import ContactsError, InputError, SettingsError
from broadcast.core.lifecycle import require_extendable, require_resumable
from broadcast.core.model import Account, Action, PeerKind, Selection, State
from broadcast.core.peers import PeerError
from broadcast.core.repeats import require_same_message
from broadcast.message.files import look_from
from broadcast.message.personal import personal
from broadcast.message.schema import fields_of
from broadcast.people.audience import Audience
from broadcast.people.lists import load_audience
from broadcast.people.phones import read_peer
from broadcast.people.selectors import as_compared
from broadcast.service.base import UseCases
from broadcast.service.checks import (
    count_messages,
    doubts_about,
    require_all_able,
    require_payable,
    require_sendable,
)
from broadcast.service.options import seconds_held
from broadcast.service.ports import Expected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from broadcast.core.model import Broadcast, Contact, Message
    from broadcast.engine.pacer import Known
    from broadcast.message.schema import Raw
    from broadcast.service.options import RunOptions
    from broadcast.service.requests import AudienceRequest, SendRequest, TestRequest

ASK_ABOVE = 20  # recipients

LOOK_BACK, AGAIN_WITHIN = 50, timedelta(hours=20)
"""Among so many broadcasts, made within that time, the very same message is a slip that is asked
about. A reminder that goes out every morning is none."""


@dataclass(frozen=True)
class Plan:
    """What `send` will do. `audience` gets `message`, in `messages` messages.

    `expected` is who sends, as far as the settings tell; `missing` says why nobody can sign in
    with them yet. `known` is what was learned of the account's limits, and `seconds` what the whole
    takes by it, without floods. `selection` is how the audience was chosen, where that is known.

    With `earlier`, the broadcast that was made under the same key is resumed. So many as are
    `newcomers` are chosen now and no recipients of it; they are the `audience` when they are to get
    it, too, and else there is none. `questions` are asked before anything is sent.
    """

    request: SendRequest
    message: Message
    audience: Audience
    expected: Expected
    missing: SettingsError | None
    known: Known
    messages: int
    seconds: float
    made_at: datetime
    questions: tuple[Question, ...] = ()
    earlier: Broadcast | None = None
    selection: Selection | None = None
    newcomers: int = 0

    @property
    def options(self) -> RunOptions:
        """How it is done."""
        return self.request.options

    @property
    def is_bot(self) -> bool:
        """Whether a bot sends; where the settings do not tell, a person."""
        return bool(self.expected.is_bot)

    @property
    def is_done(self) -> bool:
        """Whether all of it was sent before, under the same key."""
        is_done = self.earlier is not None and self.earlier.state is State.DONE
        return is_done and not self.audience

    def previews(self) -> Iterator[tuple[Contact, Message]]:
        """Each recipient with the message as they get it."""
        for contact in self.audience:
            yield contact, personal(self.message, contact, self.made_at)


class Planning(UseCases):
    """Makes plans."""

    async def plan(self, request: SendRequest) -> Plan:
        """What `request` comes to.

        Raises InputError (ContactsError with every mistake of the list), or LockedError when the
        very same is being sent just now. Nothing was made, and nothing sent.
        """
        request.options.require_whole()
        _require_key(request)
        now = self.clock.utc()
        expected, missing = self._expected(request.options)
        earlier = await self._earlier(request.message, request.once)
        path = self._path(request.audience, is_needed=earlier is None)
        selection = None if path is None else selection_of(request.audience, path)
        audience, newcomers = Audience(), 0
        if earlier is None or path is not None or request.audience.chosen is not None:
            audience = self._choose(request.audience, path)
        if earlier is not None:
            audience = await self.newcomers(earlier, audience, selection)
            newcomers = len(audience)
            if not request.include_new:
                audience = Audience()
            elif newcomers:
                await self._require_addable(earlier, audience)
            if (audience or earlier.state is not State.DONE) and missing is None:
                self.require_account_of(earlier, request.options)
        plan = Plan(
            request,
            request.message,
            audience,
            expected,
            missing,
            known=await self._known(expected),
            messages=0,
            seconds=0.0,
            made_at=now,
            earlier=earlier,
            selection=selection,
            newcomers=newcomers,
        )
        if earlier is not None:
            if not audience:
                return plan
            plan = replace(plan, message=earlier.message, made_at=earlier.created_at)
        plan = self._checked(plan, "the audience" if path is None else str(path))
        return replace(plan, questions=await self._questions(plan))

    async def plan_test(self, request: TestRequest) -> Plan:
        """The same for one tester alone, as the first recipient would get it, and at once."""
        # A test uses up no key.
        plan = await self.plan(replace(request.request, once=None, include_new=False))
        first = next(iter(plan.audience), None)
        if first is None:
            raise InputError("nobody was chosen, so there is nothing to test; nothing was sent")
        try:
            tester = replace(first, peer=read_peer(request.peer))
        except PeerError as error:
            raise InputError(f"--test-peer: {error}; nothing was sent") from None
        if plan.is_bot and tester.peer.kind is PeerKind.ME:
            raise InputError(
                "a bot cannot write to itself: say who gets the test, "
                "such as --test-peer @somebody; nothing was sent"
            )
        own = {name: it for name, it in tester.overrides.items() if name not in ("when", "late")}
        one = replace(
            plan,
            message=replace(plan.message, when=None, late=None),
            audience=Audience([replace(tester, overrides=own)]),
            questions=(),
        )
        await self.require_none_unfinished(one.message)  # it has lost its time, so it is another
        return replace(self._checked(one, "the audience"), questions=())

    def _checked(self, plan: Plan, source: str) -> Plan:
        """`plan`, when everybody can get the message, and the account can send it."""
        message, audience, now = plan.message, plan.audience, plan.made_at
        doubts = require_sendable(message, audience, source, now)
        if plan.expected.is_bot is not None:
            # Whether a person has Premium is told when they sign in.
            is_bot = plan.expected.is_bot
            require_all_able(message, audience, Account(0, is_bot, "", not is_bot), now)
        messages = count_messages(message, audience, now)
        messages += 0 if plan.earlier is None else plan.earlier.counts.pending
        now = self.clock.utc()
        pacer = plan.options.pacer(plan.known, now, is_bot=plan.is_bot)
        if (held := seconds_held(plan.known, now)) > 0:
            pacer.hold(held)
        seconds = pacer.seconds_for(messages, 0.0)
        return replace(plan, messages=messages, seconds=seconds, questions=doubts)

    async def _questions(self, plan: Plan) -> tuple[Question, ...]:
        """All that is asked before `plan` is done: doubts first, and last whether to send it."""
        about = doubts_about(plan.message, plan.audience)
        private = _private_files(plan)
        asked = [*plan.audience.doubts, *about, *private, *plan.questions]
        if (again := await self._same_before(plan)) is not None:
            asked.append(again)
        if len(plan.audience) > ASK_ABOVE:
            asked.append(Question(Ask.SEND, len(plan.audience)))
        return tuple(asked)

    async def _same_before(self, plan: Plan) -> Question | None:
        """Whether some of them have just got the very same message, or get it at a time to come.

        The time makes no other message of it: `--in 2h` is another moment whenever it is typed.
        """
        for other in await self.ledger.newest(LOOK_BACK):
            if other.action is not Action.SEND or _timeless(other) != _timeless(plan):
                continue
            is_to_come = _is_to_come(other, plan.made_at)
            is_old = other.created_at < plan.made_at - AGAIN_WITHIN
            if other.recalled is not None or (is_old and not is_to_come):
                continue
            if is_to_come:
                others = await self.ledger.newcomers(other, plan.audience)
                count = len(plan.audience) - len(others)
            else:
                count = await self.ledger.count_reached(other, plan.audience)
            if count:
                get = ("gets" if count == 1 else "get") if is_to_come else "got"
                ago = duration((plan.made_at - other.created_at).total_seconds())
                how = "already, at its time, by" if is_to_come else f"{ago} ago, as"
                since = f", which was made {ago} ago" if is_to_come else ""
                return Question(
                    Ask.SAME_AGAIN,
                    count,
                    other.id,
                    f"{people(count)} {get} this very message {how} broadcast {other.id}{since}",
                )
        return None

    def _expected(self, options: RunOptions) -> tuple[Expected, SettingsError | None]:
        try:
            expected = self.accounts.expected(paid=options.paid)
        except SettingsError as missing:
            return Expected(is_bot=True if options.paid else None), missing
        if options.paid:
            require_payable(Action.SEND, is_bot=expected.is_bot)
        return expected, None

    async def _known(self, expected: Expected) -> Known:
        """What was learned of the account; of a person, of whoever sent there last."""
        server = self.accounts.server
        account = expected.id or await self.ledger.last_person(server)
        return await self.ledger.known(account, server)

    def _choose(self, request: AudienceRequest, path: Path | None) -> Audience:
        """Those who are chosen: by a program, or from the list at `path`."""
        if path is None:
            return request.chosen or Audience()
        read_message = self._read_message(path.parent)
        return load_audience(path, request.to, request.exclude, read_message, request.encoding)

    def _path(self, request: AudienceRequest, *, is_needed: bool) -> Path | None:
        """Where the contact list is; None where a program has chosen.

        Also where there is no list in the usual places, and none `is_needed`: to say that all was
        sent before nobody has to be chosen.
        """
        if request.chosen is not None:
            return None
        if request.path is not None:
            return request.path
        for path in self.lists:
            if path.exists():
                return path
        if not is_needed:
            return None
        places = " nor ".join(map(str, self.lists))
        raise ContactsError(
            f"no contact list: neither {places} exists. Write one (see contacts.example.yaml), or "
            "name a file: --contacts FILE"
        )

    def _read_message(self, base: Path) -> Callable[[Mapping[str, Raw]], Mapping[str, object]]:
        """What reads a contact's own message; its paths start at `base`."""
        look, now = look_from(base), self.clock.utc().astimezone()
        return lambda given: fields_of(given, look, now)

    async def _require_addable(self, earlier: Broadcast, audience: Audience) -> None:
        """Raise InputError when nobody can be added to `earlier`, or one of `audience` not."""
        require_extendable(await self.ledger.standing(earlier))
        if audience.any_overrides and any("when" in each.overrides for each in audience):
            raise InputError(
                f"somebody who is new has a time of their own, and broadcast {earlier.id} has "
                "none: send it to them under another key; nothing was sent",
                code="SCHEDULED",
            )

    async def _earlier(self, message: Message, once: str | None) -> Broadcast | None:
        """The broadcast that was made under the key `once`: it is resumed.

        Raises InputError when that one says something else, when nothing of it may be sent any
        more, or when an unfinished broadcast has the very same message: sending anew would reach
        some people twice. LockedError when a process is sending that one just now.
        """
        if once is None:
            await self.require_none_unfinished(message)
            return None
        found = await self.ledger.by_once(once)
        if found is not None:
            require_same_message(found, message)
            if found.state is not State.DONE:
                require_resumable(await self.ledger.standing(found))
        return found


def _private_files(plan: Plan) -> Iterator[Question]:
    """What to ask where the contact list itself is attached, or what opens an account."""
    listed = plan.selection and plan.selection.path
    for file in plan.message.files:
        name = PurePath(file.path).name
        if listed and normpath(file.path) == normpath(listed):
            told = f"{name} is this contact list, and everybody would get all that is in it"
        elif name.startswith(".env") or name.endswith((".env", ".session")):
            told = f"{name} may open an account, and everybody would get it"
        else:
            continue
        yield Question(Ask.PRIVATE_FILE, len(plan.audience), told=told)


def _is_to_come(broadcast: Broadcast, now: datetime) -> bool:
    """Whether some of it goes out at its time, after `now`."""
    schedule = broadcast.schedule
    return schedule is not None and now < schedule.last and broadcast.state is not State.CANCELLED


def _timeless(of: Plan | Broadcast) -> Message:
    return replace(of.message, when=None, late=None)


def selection_of(request: AudienceRequest, path: Path) -> Selection:
    """How `request` chooses from the list at `path`."""
    to, exclude = as_compared(request.to), as_compared(request.exclude)
    return Selection(to, exclude, str(path.absolute()))


def _require_key(request: SendRequest) -> None:
    once = request.once
    if once is not None and not (once and once.isprintable()):
        raise InputError("the key of --once is empty, or no text; nothing was sent")
    if once is not None and once != once.strip():
        raise InputError(
            f"the key of --once begins or ends with a space: {once!r}. With and without it those "
            "are two keys, and it would be sent under each; nothing was sent"
        )
    if request.include_new and once is None:
        raise InputError("--include-new is for --once KEY; nothing was sent")
