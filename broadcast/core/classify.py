"""Answers what an error of Telegram means for a delivery: one table, and the two rules for it.

Two rules. (1) A listed name decides, whatever its code: Telegram sends the same name under several
codes. (2) An unlisted name is judged by its code alone, and only ever against this one recipient,
unless the code speaks of the account (401) or of Telegram's own trouble (5xx).

Names and codes: https://core.telegram.org/api/errors and https://core.telegram.org/method/messages.sendMessage
"""

from __future__ import annotations

import re
from enum import Enum, auto
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from broadcast.core.errors import NextStep
from broadcast.core.model import Deferred, Failed, Halted, Outcome, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping


class Verdict(Enum):
    """What is to be done about an error."""

    RECIPIENT = auto()  # this recipient, for good
    WAIT_ACCOUNT = auto()  # nobody may send before the time is over
    WAIT_CHAT = auto()  # this chat only
    AGAIN = auto()  # perhaps it was sent: again, with the same random_id
    MESSAGE = auto()  # the same for everybody: stop before the fan-out
    ACCOUNT = auto()  # the account must stop


class TelegramError(NamedTuple):
    """An error as Telegram sends it: FLOOD_WAIT_31 is (420, "FLOOD_WAIT", 31)."""

    code: int
    name: str
    value: int | None = None

    @classmethod
    def parse(cls, code: int, text: str) -> TelegramError:
        """Split the number out of `text`: `INTERDC_2_CALL_ERROR` is INTERDC_CALL_ERROR, 2."""
        found = re.search(r"_([0-9]{1,18})(?=_|\Z)", text)
        if found is None:
            return cls(code, text)
        return cls(code, text[: found.start()] + text[found.end() :], int(found[1]))


_R, _A, _M = Verdict.RECIPIENT, Verdict.AGAIN, Verdict.MESSAGE

_BANNED = (
    "Telegram has banned your own account. Only Telegram can lift that: https://telegram.org/support;"
    " other accounts do not help"
)

_TABLE: dict[str, tuple[Verdict, str]] = {
    # --- this recipient, for good
    "USER_IS_BLOCKED": (_R, "this person has blocked you"),
    "YOU_BLOCKED_USER": (_R, "you have blocked this person; unblock them first"),
    "INPUT_USER_DEACTIVATED": (_R, "this account was deleted"),
    "USER_DELETED": (_R, "this account was deleted"),
    "PEER_ID_INVALID": (_R, "this account may not write there; has a bot's user pressed Start?"),
    "USER_ID_INVALID": (_R, "Telegram knows no such user for this account"),
    "USER_IS_BOT": (_R, "this is a bot, and bots cannot write to bots"),
    "USER_PRIVACY_RESTRICTED": (_R, "this person's privacy settings do not let you write"),
    "USER_NOT_MUTUAL_CONTACT": (_R, "this person has not added you to their contacts"),
    "PRIVACY_PREMIUM_REQUIRED": (_R, "this person accepts messages only from Premium users"),
    "CHAT_WRITE_FORBIDDEN": (_R, "you may not write in this chat"),
    "CHAT_FORBIDDEN": (_R, "you are not in this chat"),
    "CHAT_RESTRICTED": (_R, "this chat is restricted by Telegram"),
    "CHAT_ADMIN_REQUIRED": (_R, "only administrators may write here"),
    "CHAT_GUEST_SEND_FORBIDDEN": (_R, "you must join this chat before writing in it"),
    "CHANNEL_PRIVATE": (_R, "this channel is private, or you were removed from it"),
    "CHANNEL_INVALID": (_R, "Telegram knows no such channel for this account"),
    "CHAT_ID_INVALID": (_R, "Telegram knows no such group for this account"),
    "TOPIC_CLOSED": (_R, "this topic is closed"),
    "TOPIC_DELETED": (_R, "this topic was deleted"),
    "USER_BANNED_IN_CHANNEL": (_R, "Telegram does not let this account write in groups"),
    "USERNAME_INVALID": (_R, "Telegram does not accept this username"),
    "USERNAME_NOT_OCCUPIED": (_R, "nobody has this username"),
    "PHONE_NOT_OCCUPIED": (
        _R,
        (
            "no account can be found under this number; if there is one, add the number to your "
            "Telegram contacts"
        ),
    ),
    "PHONE_NUMBER_INVALID": (_R, "Telegram does not accept this phone number"),
    "BOT_METHOD_INVALID": (_R, "a bot cannot look this up; use the numeric id of the person"),
    "INVITE_HASH_EMPTY": (_R, "this invitation link is not complete"),
    "INVITE_HASH_INVALID": (_R, "this invitation link is not valid"),
    "INVITE_HASH_EXPIRED": (_R, "this invitation link has expired"),
    "REPLY_MESSAGE_ID_INVALID": (_R, "there is no message with this id here to reply to"),
    "SEND_AS_PEER_INVALID": (_R, "you cannot write here as that channel"),
    "EFFECT_ID_INVALID": (_R, "Telegram has no such effect here; groups and channels have none"),
    # our own findings, named like Telegram's
    "INVITE_NOT_JOINED": (_R, "you are not in this chat; join it first"),
    "PEER_UNKNOWN": (
        _R,
        (
            "a bare number is reachable only for a bot, your contacts and your chats; use a @name "
            "or a phone number"
        ),
    ),
    "ANSWER_UNREADABLE": (
        _R,
        (
            "Telegram's answer is newer than this version can read, so the address is not known; "
            "update broadcast and retry"
        ),
    ),
    "PART_MISSING": (_R, "an earlier part could not be sent"),
    "TOO_LATE": (_R, "it was later than allowed, so it was not sent"),
    "TEMPLATE_INVALID": (_R, "the message cannot be made for this recipient"),
    "SCHEDULE_PAST": (
        _R,
        "its time has come: it was sent, and Telegram does not tell under which id",
    ),
    "MESSAGE_ID_UNKNOWN": (_R, "the id of this message is not known, so it cannot be reached"),
    # --- what cannot be edited or recalled any more
    "MESSAGE_ID_INVALID": (_R, "the message no longer exists"),
    "MESSAGE_EDIT_TIME_EXPIRED": (_R, "the message is too old to be edited"),
    "MESSAGE_NOT_MODIFIED": (_R, "the message already says this"),
    "MESSAGE_AUTHOR_REQUIRED": (_R, "the message is not yours"),
    "MESSAGE_DELETE_FORBIDDEN": (_R, "the message is too old to be deleted, or not yours"),
    # --- costs money: a person decides, so nothing is paid here
    "ALLOW_PAYMENT_REQUIRED": (_R, "this person charges Stars for a message; nothing was paid"),
    "BALANCE_TOO_LOW": (_R, "this message costs Stars, and the account has too few"),
    "PREMIUM_ACCOUNT_REQUIRED": (_R, "this needs a Premium account"),
    # --- waits
    "FLOOD_WAIT": (Verdict.WAIT_ACCOUNT, "Telegram asks this account to wait"),
    "FLOOD_PREMIUM_WAIT": (Verdict.WAIT_ACCOUNT, "Telegram asks this account to wait"),
    "FLOOD_SKIP_FAILED_WAIT": (
        Verdict.WAIT_ACCOUNT,
        "this bot has too few Stars to go faster, and Telegram asks it to wait",
    ),
    "FLOOD_TEST_PHONE_WAIT": (Verdict.WAIT_ACCOUNT, "Telegram asks this account to wait"),
    "SLOWMODE_WAIT": (Verdict.WAIT_CHAT, "this group is in slow mode"),
    "CHAT_PACE": (  # our own
        Verdict.WAIT_CHAT,
        "one message a second goes to a chat, and twenty a minute to a group",
    ),
    # --- again, with the same random_id
    "NOT_CONNECTED": (_A, "no connection to Telegram"),  # our own, like the next two
    "NO_ANSWER": (_A, "Telegram has not answered"),
    "IN_DOUBT": (
        _A,
        "perhaps sent: the run ended before Telegram answered; resuming finds out",
    ),
    "RANDOM_ID_DUPLICATE": (_A, "Telegram is still working on the first try"),
    "RPC_CALL_FAIL": (_A, "Telegram has internal trouble"),
    "RPC_MCGET_FAIL": (_A, "Telegram has internal trouble"),
    "WORKER_BUSY_TOO_LONG_RETRY": (_A, "Telegram is busy"),
    "INTERDC_CALL_ERROR": (_A, "Telegram has internal trouble"),
    "INTERDC_CALL_RICH_ERROR": (_A, "Telegram has internal trouble"),
    "TIMEOUT": (_A, "Telegram did not finish in time"),
    "MSG_WAIT_FAILED": (_A, "Telegram is still working on an earlier request"),
    "MSG_WAIT_TIMEOUT": (_A, "Telegram is still working on an earlier request"),
    # --- the message is wrong for everybody
    "MESSAGE_EMPTY": (_M, "the message is empty"),
    "MESSAGE_TOO_LONG": (_M, "the message is longer than Telegram allows"),
    "MEDIA_CAPTION_TOO_LONG": (_M, "the caption is longer than Telegram allows"),
    "ENTITY_BOUNDS_INVALID": (_M, "the formatting of the message is not valid"),
    "ENTITIES_TOO_LONG": (_M, "the message has too much formatting"),
    "FORWARD_INVALID": (_M, "there is no such message to forward"),  # our own, like the next two
    "FORWARD_CHAT_INVALID": (_M, "the chat to forward from cannot be reached"),
    "SEND_AS_INVALID": (_M, "the chat to send as cannot be reached"),
    "MEDIA_EMPTY": (_M, "the file of the message is empty"),
    "MEDIA_INVALID": (_M, "Telegram does not accept the file of the message"),
    "SCHEDULE_DATE_TOO_LATE": (_M, "Telegram schedules at most a year ahead"),
    "SCHEDULE_BOT_NOT_ALLOWED": (_M, "bots cannot schedule messages at Telegram"),
    # --- the account must stop
    "PEER_FLOOD": (
        Verdict.ACCOUNT,
        (
            "Telegram has limited this account for writing to too many people who do not know it; "
            "ask @SpamBot for how long. Waiting and smaller lists of mutual contacts help, other "
            "accounts do not"
        ),
    ),
    "AUTH_KEY_DUPLICATED": (
        Verdict.ACCOUNT,
        ("this session was used in two places at once, and Telegram has ended it"),
    ),
    "AUTH_KEY_UNREGISTERED": (Verdict.ACCOUNT, "nobody is signed in"),
    "AUTH_KEY_INVALID": (Verdict.ACCOUNT, "this session is not valid"),
    "SESSION_REVOKED": (
        Verdict.ACCOUNT,
        "this session was ended from another device",
    ),
    "SESSION_EXPIRED": (Verdict.ACCOUNT, "this session has expired"),
    "USER_MIGRATE": (Verdict.ACCOUNT, "the account has moved to another data center"),
    "USER_DEACTIVATED": (
        Verdict.ACCOUNT,
        "your own account was deleted, and what is pending can be sent by nobody else",
    ),
    "USER_DEACTIVATED_BAN": (Verdict.ACCOUNT, _BANNED),
    "PHONE_NUMBER_BANNED": (Verdict.ACCOUNT, _BANNED),
    "FROZEN_METHOD_INVALID": (
        Verdict.ACCOUNT,
        (
            "Telegram has frozen your own account: it can read and not write until an appeal is "
            "granted. Appeal in the app, or ask @SpamBot there; other accounts do not help"
        ),
    ),
    "ACCESS_TOKEN_INVALID": (Verdict.ACCOUNT, "the bot token is not valid; @BotFather shows it"),
    "ACCESS_TOKEN_EXPIRED": (
        Verdict.ACCOUNT,
        "the bot token was revoked; @BotFather makes a new one",
    ),
    "API_ID_INVALID": (
        Verdict.ACCOUNT,
        "the API id and hash do not belong together; see my.telegram.org",
    ),
}

_FAMILIES: tuple[tuple[re.Pattern[str], Verdict, str], ...] = (
    (re.compile(r"CHAT_SEND_\w+_FORBIDDEN"), _R, "this chat does not allow messages of this kind"),
    (re.compile(r"BUTTON_\w+_INVALID"), _M, "a button of the message is not valid"),
    (re.compile(r"REPLY_MARKUP_\w+"), _M, "the buttons of the message are not valid"),
    (re.compile(r"ACCESS_TOKEN_\w+"), Verdict.ACCOUNT, "the bot token is not valid"),
)

DEFAULT_FLOOD_WAIT = 60.0
"""Seconds to wait when Telegram says that it floods and not for how long (ours, not Telegram's)."""

MOST_FLOOD_WAIT = 10 * 365 * 86_400
"""Seconds. A longer wait tells nobody more, and a date may not be able to hold it."""


def verdict_of(error: TelegramError) -> tuple[Verdict, str]:
    """What is to be done about `error`, and the reason in words for a person."""
    if error.name in _TABLE:
        return _TABLE[error.name]
    for pattern, verdict, reason in _FAMILIES:
        if pattern.fullmatch(error.name):
            return verdict, reason
    if error.code == 401:
        return Verdict.ACCOUNT, "Telegram does not accept this session; sign in again"
    if error.code == 420:
        return Verdict.WAIT_ACCOUNT, "Telegram asks this account to wait"
    if error.code >= 500 or error.code < 0:
        return Verdict.AGAIN, "Telegram has internal trouble"
    return Verdict.RECIPIENT, "Telegram refused this message"


def classify(error: TelegramError) -> Outcome:
    """The outcome of an attempt that Telegram answered with `error`."""
    verdict, reason = verdict_of(error)
    match verdict:
        case Verdict.RECIPIENT:
            return Failed(error.name, reason)
        case Verdict.WAIT_ACCOUNT:
            return Deferred(error.name, reason, _seconds(error), Scope.ACCOUNT)
        case Verdict.WAIT_CHAT:
            return Deferred(error.name, reason, _seconds(error))
        case Verdict.AGAIN:
            return Deferred(error.name, reason, perhaps_sent=True)
        case Verdict.MESSAGE:
            return Halted(error.name, reason, resumable=False)
        case Verdict.ACCOUNT:
            return Halted(error.name, reason)


def _seconds(error: TelegramError) -> float:
    if error.value is None:
        return DEFAULT_FLOOD_WAIT
    return float(min(max(error.value, 1), MOST_FLOOD_WAIT))


# What the engine and the transport find themselves, where Telegram has said nothing. Perhaps it
# was sent, so the same random_id is used again.
NOT_CONNECTED = Deferred(
    "NOT_CONNECTED",
    _TABLE["NOT_CONNECTED"][1],
    scope=Scope.ACCOUNT,
    reached=False,
    perhaps_sent=True,
)
NO_ANSWER = Deferred("NO_ANSWER", _TABLE["NO_ANSWER"][1], reached=False, perhaps_sent=True)


def finding(name: str) -> Failed:
    """A failure that we find ourselves before asking Telegram, in the table like the others."""
    return Failed(name, _TABLE[name][1])


def reason_of(name: str) -> str:
    """The words for an error of which only the name was kept."""
    return verdict_of(TelegramError(400, name))[1]


_LOGIN = NextStep("login", purpose="signs in again")

_STEPS: Mapping[str, NextStep] = MappingProxyType(
    {
        "AUTH_KEY_DUPLICATED": _LOGIN,
        "AUTH_KEY_UNREGISTERED": _LOGIN,
        "AUTH_KEY_INVALID": _LOGIN,
        "SESSION_REVOKED": _LOGIN,
        "SESSION_EXPIRED": _LOGIN,
        "USER_MIGRATE": _LOGIN,
        "BUDGET_SPENT": NextStep("resume", purpose="goes on at the free rate"),
        "TOO_MANY_FAILURES": NextStep(
            "resume", options=("--max-failures", "100"), purpose="goes on, however many fail"
        ),
    }
)


def next_step(error: str) -> NextStep | None:
    """What helps after a halt with this error; None where no command does."""
    return _STEPS.get(error)


_LASTING = {
    "USER_IS_BLOCKED",  # their decision: asking again would bother them
    "INPUT_USER_DEACTIVATED",
    "USER_DELETED",
    "USER_IS_BOT",
    "USERNAME_INVALID",
    "PHONE_NUMBER_INVALID",
    "TOPIC_DELETED",
    "INVITE_HASH_EMPTY",
    "INVITE_HASH_INVALID",
    "INVITE_HASH_EXPIRED",
    "MESSAGE_ID_INVALID",
    "MESSAGE_EDIT_TIME_EXPIRED",
    "MESSAGE_NOT_MODIFIED",
    "MESSAGE_AUTHOR_REQUIRED",
    "MESSAGE_DELETE_FORBIDDEN",
}


def may_help_to_retry(name: str) -> bool:
    """Whether another try may succeed, without bothering anybody."""
    return name not in _LASTING
