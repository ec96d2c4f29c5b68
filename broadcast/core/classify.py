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


_BANNED = (
    "Telegram has banned your own account. Only Telegram can lift that: https://telegram.org/support;"
    " other accounts do not help"
)

_REASONS: Mapping[Verdict, Mapping[str, str]] = {
    Verdict.RECIPIENT: {
        "USER_IS_BLOCKED": "this person has blocked you",
        "YOU_BLOCKED_USER": "you have blocked this person; unblock them first",
        "INPUT_USER_DEACTIVATED": "this account was deleted",
        "USER_DELETED": "this account was deleted",
        "PEER_ID_INVALID": "this account may not write there; has a bot's user pressed Start?",
        "USER_ID_INVALID": "Telegram knows no such user for this account",
        "USER_IS_BOT": "this is a bot, and bots cannot write to bots",
        "USER_PRIVACY_RESTRICTED": "this person's privacy settings do not let you write",
        "USER_NOT_MUTUAL_CONTACT": "this person has not added you to their contacts",
        "PRIVACY_PREMIUM_REQUIRED": "this person accepts messages only from Premium users",
        "CHAT_WRITE_FORBIDDEN": "you may not write in this chat",
        "CHAT_FORBIDDEN": "you are not in this chat",
        "CHAT_RESTRICTED": "this chat is restricted by Telegram",
        "CHAT_ADMIN_REQUIRED": "only administrators may write here",
        "CHAT_GUEST_SEND_FORBIDDEN": "you must join this chat before writing in it",
        "CHANNEL_PRIVATE": "this channel is private, or you were removed from it",
        "CHANNEL_INVALID": "Telegram knows no such channel for this account",
        "CHAT_ID_INVALID": "Telegram knows no such group for this account",
        "TOPIC_CLOSED": "this topic is closed",
        "TOPIC_DELETED": "this topic was deleted",
        "USER_BANNED_IN_CHANNEL": "Telegram does not let this account write in groups",
        "USERNAME_INVALID": "Telegram does not accept this username",
        "USERNAME_NOT_OCCUPIED": "nobody has this username",
        "PHONE_NOT_OCCUPIED": (
            "no account can be found under this number; if there is one, add the number to your "
            "Telegram contacts"
        ),
        "PHONE_NUMBER_INVALID": "Telegram does not accept this phone number",
        "BOT_METHOD_INVALID": "a bot cannot look this up; use the numeric id of the person",
        "INVITE_HASH_EMPTY": "this invitation link is not complete",
        "INVITE_HASH_INVALID": "this invitation link is not valid",
        "INVITE_HASH_EXPIRED": "this invitation link has expired",
        "VOICE_MESSAGES_FORBIDDEN": "this person takes no voice messages",
        "REPLY_MESSAGE_ID_INVALID": "there is no message with this id here to reply to",
        "SEND_AS_PEER_INVALID": "you cannot write here as that channel",
        "EFFECT_ID_INVALID": "Telegram has no such effect here; groups and channels have none",
        # our own findings, named like Telegram's
        "INVITE_NOT_JOINED": "you are not in this chat; join it first",
        "PEER_UNKNOWN": (
            "a bare number is reachable only for a bot, your contacts and your chats; use a @name "
            "or a phone number"
        ),
        "ANSWER_UNREADABLE": (
            "Telegram's answer is newer than this version can read, so the address is not known; "
            "update broadcast and retry"
        ),
        "PART_MISSING": "an earlier part could not be sent",
        "TOO_LATE": "it was later than allowed, so it was not sent",
        "TEMPLATE_INVALID": "the message cannot be made for this recipient",
        "SCHEDULE_PAST": (
            "its time has come: it was sent, and Telegram does not tell under which id"
        ),
        "MESSAGE_ID_UNKNOWN": "the id of this message is not known, so it cannot be reached",
        # what cannot be edited or recalled any more
        "MESSAGE_ID_INVALID": "the message no longer exists",
        "MESSAGE_EDIT_TIME_EXPIRED": "the message is too old to be edited",
        "MESSAGE_NOT_MODIFIED": "the message already says this",
        "MESSAGE_AUTHOR_REQUIRED": "the message is not yours",
        "MESSAGE_DELETE_FORBIDDEN": "the message is too old to be deleted, or not yours",
        # costs money: a person decides, so nothing is paid here
        "ALLOW_PAYMENT_REQUIRED": "this person charges Stars for a message; nothing was paid",
        "BALANCE_TOO_LOW": "this message costs Stars, and the account has too few",
        "PREMIUM_ACCOUNT_REQUIRED": "this needs a Premium account",
    },
    Verdict.WAIT_ACCOUNT: {
        "FLOOD_WAIT": "Telegram asks this account to wait",
        "FLOOD_PREMIUM_WAIT": "Telegram asks this account to wait",
        "FLOOD_SKIP_FAILED_WAIT": (
            "this bot has too few Stars to go faster, and Telegram asks it to wait"
        ),
        "FLOOD_TEST_PHONE_WAIT": "Telegram asks this account to wait",
    },
    Verdict.WAIT_CHAT: {
        "SLOWMODE_WAIT": "this group is in slow mode",
        # our own
        "CHAT_PACE": "one message a second goes to a chat, and twenty a minute to a group",
    },
    Verdict.AGAIN: {
        "NOT_CONNECTED": "no connection to Telegram",  # our own, like the next three
        "NO_ANSWER": "Telegram has not answered",
        "IN_DOUBT": "perhaps sent: the run ended before Telegram answered; resuming finds out",
        "ANSWER_WRONG": "Telegram's answer does not tell whether the message was sent",
        "RANDOM_ID_DUPLICATE": "Telegram is still working on the first try",
        "RPC_CALL_FAIL": "Telegram has internal trouble",
        "RPC_MCGET_FAIL": "Telegram has internal trouble",
        "WORKER_BUSY_TOO_LONG_RETRY": "Telegram is busy",
        "INTERDC_CALL_ERROR": "Telegram has internal trouble",
        "INTERDC_CALL_RICH_ERROR": "Telegram has internal trouble",
        "TIMEOUT": "Telegram did not finish in time",
        "MSG_WAIT_FAILED": "Telegram is still working on an earlier request",
        "MSG_WAIT_TIMEOUT": "Telegram is still working on an earlier request",
    },
    Verdict.MESSAGE: {
        "MESSAGE_EMPTY": "the message is empty",
        "MESSAGE_TOO_LONG": "the message is longer than Telegram allows",
        "MEDIA_CAPTION_TOO_LONG": "the caption is longer than Telegram allows",
        "ENTITY_BOUNDS_INVALID": "the formatting of the message is not valid",
        "ENTITIES_TOO_LONG": "the message has too much formatting",
        "FORWARD_INVALID": "there is no such message to forward",  # our own, like the next two
        "FORWARD_CHAT_INVALID": "the chat to forward from cannot be reached",
        "SEND_AS_INVALID": "the chat to send as cannot be reached",
        "CHAT_FORWARDS_RESTRICTED": (
            "the chat to forward from protects its content; send the text and files as a message "
            "of your own"
        ),
        "MEDIA_EMPTY": "the file of the message is empty",
        "MEDIA_GROUPED_INVALID": "these files cannot be one album",
        "GROUPED_MEDIA_INVALID": "these files cannot be one album",
        "MULTI_MEDIA_TOO_LONG": "the album has too many files",
        "ALBUM_PHOTOS_TOO_MANY": "the album has too many files",
        "PHOTO_INVALID_DIMENSIONS": (
            "the photo is too large or too narrow; make it smaller, or send it with --as-document"
        ),
        "WEBPAGE_CURL_FAILED": "Telegram cannot fetch a page that the message names",
        "URL_INVALID": "a link of the message is not valid",
        "EXTERNAL_URL_INVALID": "a link of the message is not valid",
        "SCHEDULE_DATE_TOO_LATE": "Telegram schedules at most a year ahead",
        "SCHEDULE_BOT_NOT_ALLOWED": "bots cannot schedule messages at Telegram",
    },
    Verdict.ACCOUNT: {
        "PEER_FLOOD": (
            "Telegram has limited this account for writing to too many people who do not know it; "
            "ask @SpamBot for how long. Waiting and smaller lists of mutual contacts help, other "
            "accounts do not"
        ),
        "AUTH_KEY_DUPLICATED": (
            "this session was used in two places at once, and Telegram has ended it"
        ),
        "AUTH_KEY_UNREGISTERED": "nobody is signed in",
        "AUTH_KEY_INVALID": "this session is not valid",
        "SESSION_REVOKED": "this session was ended from another device",
        "SESSION_EXPIRED": "this session has expired",
        "USER_MIGRATE": "the account has moved to another data center",
        "USER_DEACTIVATED": (
            "your own account was deleted, and what is pending can be sent by nobody else"
        ),
        "USER_DEACTIVATED_BAN": _BANNED,
        "PHONE_NUMBER_BANNED": _BANNED,
        "FROZEN_METHOD_INVALID": (
            "Telegram has frozen your own account: it can read and not write until an appeal is "
            "granted. Appeal in the app, or ask @SpamBot there; other accounts do not help"
        ),
        "ACCESS_TOKEN_INVALID": "the bot token is not valid; @BotFather shows it",
        "ACCESS_TOKEN_EXPIRED": "the bot token was revoked; @BotFather makes a new one",
        "API_ID_INVALID": "the API id and hash do not belong together; see my.telegram.org",
    },
}

_TABLE = {
    name: (verdict, reason)
    for verdict, reasons in _REASONS.items()
    for name, reason in reasons.items()
}

_FAMILIES: tuple[tuple[re.Pattern[str], Verdict, str], ...] = (
    (
        re.compile(r"CHAT_SEND_\w+_FORBIDDEN"),
        Verdict.RECIPIENT,
        "this chat does not allow messages of this kind",
    ),
    (re.compile(r"BUTTON_\w+_INVALID"), Verdict.MESSAGE, "a button of the message is not valid"),
    (re.compile(r"ENTITY_\w+"), Verdict.MESSAGE, "the formatting of the message is not valid"),
    (re.compile(r"WEBPAGE_\w+"), Verdict.MESSAGE, "a page that the message names is not valid"),
    (
        re.compile(
            r"(?:MEDIA|PHOTO|VIDEO|AUDIO|IMAGE|GIF|DOCUMENT)_\w+"
            r"|FILE_(?:PART\w*|EMTPY|TITLE_EMPTY|CONTENT_TYPE_INVALID)|MD5_CHECKSUM_INVALID"
        ),
        Verdict.MESSAGE,
        "Telegram does not accept the file of the message; perhaps it does with --as-document",
    ),
    (re.compile(r"REPLY_MARKUP_\w+"), Verdict.MESSAGE, "the buttons of the message are not valid"),
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
WRONG_ANSWER = Deferred("ANSWER_WRONG", _TABLE["ANSWER_WRONG"][1], perhaps_sent=True)
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
