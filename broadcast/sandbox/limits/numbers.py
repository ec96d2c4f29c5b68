"""How much the sandbox allows: Telegram's numbers, each with its source. It counts nothing.

limits/token_buckets.py counts, world/flood_waits.py refuses. docs/sandbox.md shows the defaults.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Self

_TWO_DAYS = 172_800.0
_MOST = 10**12  # of anything: more is a typo; None says that there is no limit


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the sandbox allows. None: there is no such limit.

    The numbers are Telegram's where Telegram publishes one: the comment has the source. "Ours"
    is a guess. A rate has a burst: so many at once, then as many as the rate gives back.

    Raises ValueError, which says what is wrong.
    """

    # Sends and edits of a bot: "not more than 30 messages per second or so", which is read as 30 at
    # once, too: https://core.telegram.org/bots/faq#broadcasting-to-users
    bot_messages_per_second: float | None = 30.0
    bot_burst: int = 30

    # The same for a person. Nothing is published for people: ours, and cautious.
    user_messages_per_second: float | None = 1.0
    user_burst: int = 30

    # What a bot may send with `allow_paid_floodskip`, above its free rate and a second's worth at
    # once; the price of each such message; and the balance of the bot, which nobody fills up.
    # Telegram demands as much for switching paid broadcasts on:
    # https://core.telegram.org/bots/api#paid-broadcasts
    paid_messages_per_second: float | None = 1000.0
    paid_stars_per_message: Decimal = Decimal("0.1")
    stars: int = 10_000

    # To one chat that is no group: "avoid sending more than one message per second", and "short
    # bursts" pass, whose size is ours ("My bot is hitting limits" of
    # https://core.telegram.org/bots/faq). It is written for bots; that it holds for people, and for
    # channels, of which nothing is said, is ours.
    chat_messages_per_second: float | None = 1.0
    chat_burst: int = 3

    # To one basic group or supergroup, as many at once: "more than 20 messages per minute to the
    # same group" are refused, says the same page, again of bots.
    group_messages_per_minute: float | None = 20.0

    # People without a contact, to whom a person may write first; one more is PEER_FLOOD. "About
    # 50" is what people report: https://telegram.org/faq_spam names the reason and no number.
    strangers: int | None = 50

    # Seconds after which such a first message no longer counts. Ours: Telegram names no time.
    strangers_seconds: float = 86_400.0

    # Sending during a flood wait starts it again, this many times longer, up to the most
    # seconds. Ours, as a rule: that it grows is seen (https://github.com/tdlib/td/issues/1331), by
    # how much is not published. 1: it starts again, and does not grow.
    flood_growth: float = 2.0
    flood_most_seconds: int = 86_400

    # What arrives so soon after a wait was named was under way by then, and ignores nothing: it
    # is told what is left of the wait. Ours.
    flood_grace_seconds: float = 0.5

    # UTF-16 units of a text: `message_length_max` of https://core.telegram.org/constructor/config
    text_length: int = 4096

    # UTF-16 units of a caption: `caption_length_limit_default` and, with Telegram Premium,
    # `caption_length_limit_premium` of https://core.telegram.org/api/config
    caption_length: int = 1024
    premium_caption_length: int = 4096

    # Messages in an album: https://core.telegram.org/bots/api#sendmediagroup
    album: int = 10

    # Parts of one file: `upload_max_fileparts_default` and `upload_max_fileparts_premium` of
    # https://core.telegram.org/api/config. Of 512 KB each that is 2 GB, bots included, or 4 GB.
    file_parts: int = 4000
    premium_file_parts: int = 8000

    # Bytes of a photo: https://core.telegram.org/bots/api#sendphoto
    photo_bytes: int = 10_485_760

    # Seconds for which the reference of a file holds. Telegram tells no number, only that it
    # expires (https://core.telegram.org/api/file-references): some hours are seen. Ours.
    file_reference_seconds: float | None = 14_400.0

    # Buttons below one message, and in one row of them: https://limits.tginfo.me
    buttons: int = 100
    buttons_in_row: int = 8

    # Seconds ahead that a message may be scheduled: "within 367 days in the future" says TDLib
    # (messageSchedulingStateSendAtDate of td_api.tl); and how many may wait in one chat:
    # https://limits.tginfo.me
    schedule_seconds: float = 31_708_800.0
    scheduled: int = 100

    # Entities of a text; the rest is dropped: https://limits.tginfo.me
    entities: int = 100

    # Seconds in which a person may edit: https://core.telegram.org/method/messages.editMessage and
    # `edit_time_limit` of the configuration. None hold for a note to oneself and in a channel that
    # one administers.
    edit_seconds: float | None = _TWO_DAYS

    # The same for a bot: TDLib's MessagesManager::can_edit_message lets it edit its own for ever.
    bot_edit_seconds: float | None = None

    # Seconds in which a person may delete for everybody: `revoke_time_limit` and
    # `revoke_pm_time_limit` of the configuration, which are 2147483647.
    delete_seconds: float | None = None

    # The same for a bot: https://core.telegram.org/bots/api#deletemessage
    bot_delete_seconds: float | None = _TWO_DAYS

    # Messages deleted by one request: https://core.telegram.org/bots/api#deletemessages
    delete_at_once: int = 100

    # Messages or dialogs in one answer: https://core.telegram.org/api/offsets
    page: int = 100

    # Events in one answer to updates.getDifference and getChannelDifference. A person's client is
    # to ask for 10 to 100: https://core.telegram.org/method/updates.getChannelDifference
    difference: int = 100

    # A client that is further behind is told differenceTooLong: `pts_total_limit` of
    # https://core.telegram.org/method/updates.getDifference
    gap: int = 1_000_000

    def __post_init__(self) -> None:
        for field in fields(self):
            value: float | Decimal | None = getattr(self, field.name)
            if value is not None:
                _check(field.name, value)

    @classmethod
    def none(cls) -> Self:
        """No rates, and any number of strangers. The other limits are as published."""
        return cls(
            bot_messages_per_second=None,
            user_messages_per_second=None,
            paid_messages_per_second=None,
            chat_messages_per_second=None,
            group_messages_per_minute=None,
            strangers=None,
        )


_RATES = frozenset(field.name for field in fields(Limits) if "_messages_per_" in field.name)
_ONE_OR_MORE = frozenset(
    {
        "bot_burst",
        "user_burst",
        "chat_burst",
        "flood_growth",
        "flood_most_seconds",
        "text_length",
        "caption_length",
        "premium_caption_length",
        "album",
        "file_parts",
        "premium_file_parts",
        "photo_bytes",
        "buttons",
        "buttons_in_row",
        "scheduled",
        "delete_at_once",
        "page",
        "difference",
        "gap",
    }
)


def _check(name: str, value: float | Decimal) -> None:
    if name in _RATES:
        is_enough, expected = value > 0, "more than 0"
    elif name in _ONE_OR_MORE:
        is_enough, expected = value >= 1, "1 or more"
    else:
        is_enough, expected = value >= 0, "0 or more"
    if value > _MOST:
        expected = f"{_MOST:,} at most"
    if not is_enough or value > _MOST:
        raise ValueError(f"{name} must be {expected}, not {value}")
