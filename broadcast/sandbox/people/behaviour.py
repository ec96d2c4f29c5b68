"""How people and chats of the sandbox behave: the name decides. `RULES` is the whole table.

`@blocked_bruno` has blocked us, and so has `@bruno_blocked`, the phone +34600009401 and the user
123459401. docs/sandbox.md shows the table.

The last four digits of an id are the number of the rule, also of those found by username. So
the rule is known from the id alone, and a million recipients need no memory.
"""

from __future__ import annotations

from dataclasses import dataclass

from broadcast.core.peers import CHANNEL_OFFSET

SLOWMODE_SECONDS = 10
FLOOD_SECONDS = 3
PAID_STARS = 10

PERSON_DIGITS = 9400  # the last four digits of an id: this plus the rule's number ...
SUPERGROUP_DIGITS = 9500  # ... or for a supergroup this plus the number


@dataclass(frozen=True, slots=True)
class Rule:
    """What a message to somebody with this word in the name gets: Telegram's code and error.

    One for people and one for chats; None: it is delivered. With `once` only the first attempt
    fails.
    """

    word: str
    number: int
    user: tuple[int, str] | None = None
    chat: tuple[int, str] | None = None
    once: bool = False
    remark: str = ""

    @property
    def digits(self) -> int:
        """The last four digits of a phone or an id that mean the same as the word."""
        return PERSON_DIGITS + self.number


BLOCKED = Rule("blocked", 1, user=(403, "USER_IS_BLOCKED"))
DEACTIVATED = Rule("deactivated", 2, user=(400, "INPUT_USER_DEACTIVATED"))
PRIVATE = Rule("private", 3, user=(403, "USER_PRIVACY_RESTRICTED"), chat=(400, "CHANNEL_PRIVATE"))
UNKNOWN = Rule(
    "unknown",
    4,
    user=(400, "PEER_ID_INVALID"),
    chat=(400, "CHANNEL_INVALID"),
    remark="does not exist: USERNAME_NOT_OCCUPIED, PHONE_NOT_OCCUPIED",
)
PREMIUM = Rule("premium", 5, user=(406, "PRIVACY_PREMIUM_REQUIRED"))
PAID = Rule(
    "paid",
    6,
    user=(403, f"ALLOW_PAYMENT_REQUIRED_{PAID_STARS}"),
    chat=(403, f"ALLOW_PAYMENT_REQUIRED_{PAID_STARS}"),
    remark=f"delivered with allow_paid_stars of {PAID_STARS} or more",
)
FLOOD = Rule(
    "flood",
    7,
    user=(420, f"FLOOD_WAIT_{FLOOD_SECONDS}"),
    chat=(420, f"FLOOD_WAIT_{FLOOD_SECONDS}"),
    once=True,
)
BUSY = Rule(
    "busy",
    8,
    user=(500, "WORKER_BUSY_TOO_LONG_RETRY"),
    chat=(500, "WORKER_BUSY_TOO_LONG_RETRY"),
    once=True,
)
PEERFLOOD = Rule("peerflood", 9, user=(400, "PEER_FLOOD"))
BOT = Rule(
    "bot", 10, user=(400, "USER_IS_BOT"), remark="a bot: only another bot cannot write to it"
)
READONLY = Rule("readonly", 11, chat=(403, "CHAT_WRITE_FORBIDDEN"))
FORBIDDEN = Rule("forbidden", 12, chat=(403, "CHAT_WRITE_FORBIDDEN"))
SLOWMODE = Rule(
    "slowmode",
    13,
    chat=(420, f"SLOWMODE_WAIT_{SLOWMODE_SECONDS}"),
    remark=f"a supergroup: one message in {SLOWMODE_SECONDS} seconds",
)
FORUM = Rule(
    "forum", 14, remark="a supergroup with [topics](#topics): of a username, or an id in 9514"
)
PROTECTED = Rule(
    "protected", 15, remark="what is in a chat of this name cannot be forwarded from it"
)
NOPIN = Rule("nopin", 16, remark="only others may pin there: 400 `CHAT_ADMIN_REQUIRED`")
NOMEDIA = Rule(
    "nomedia",
    17,
    remark="texts only: 403 `CHAT_SEND_PHOTOS_FORBIDDEN` and its like; a person takes all but "
    "voice messages: 403 `VOICE_MESSAGES_FORBIDDEN`",
)

RULES = (
    BLOCKED,
    DEACTIVATED,
    PRIVATE,
    UNKNOWN,
    PREMIUM,
    PAID,
    FLOOD,
    BUSY,
    PEERFLOOD,
    BOT,
    READONLY,
    FORBIDDEN,
    SLOWMODE,
    FORUM,
    PROTECTED,
    NOPIN,
    NOMEDIA,
)
"""The table. The first word of a name that is in it decides."""

_BY_WORD = {rule.word: rule for rule in RULES}
_BY_DIGITS = {rule.digits: rule for rule in RULES}
_BY_CHANNEL_DIGITS = _BY_DIGITS | {SUPERGROUP_DIGITS + rule.number: rule for rule in RULES}


def rule_of(marked_id: int) -> Rule | None:
    """The rule for messages to this id; None: they are delivered."""
    if marked_id < -CHANNEL_OFFSET:
        return _BY_CHANNEL_DIGITS.get(-marked_id % 10_000)
    return _BY_DIGITS.get(abs(marked_id) % 10_000)


def rule_in(words: list[str]) -> Rule | None:
    """The rule of a name that has these words: the first word in the table decides."""
    return next((_BY_WORD[word] for word in words if word in _BY_WORD), None)


def table() -> str:
    """`RULES` as the table of docs/sandbox.md; a test compares them."""
    lines = [
        "| word in the name | last four digits | to a person | to a group or channel | |",
        "|---|---|---|---|---|",
    ]
    for rule in RULES:
        cells = [_cell(rule, rule.user), _cell(rule, rule.chat), rule.remark]
        lines.append(f"| `{rule.word}` | {rule.digits} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(rule: Rule, error: tuple[int, str] | None) -> str:
    if error is None:
        return "delivered"
    return f"{error[0]} `{error[1]}`" + (", once" if rule.once else "")
