"""Reads a recipient as a person writes it; it refuses to guess, and does not ask Telegram.

The forms and their limits are Telegram's: https://core.telegram.org/api/links and
https://limits.tginfo.me (usernames 3 to 32 characters: some old bots have three).
"""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

from broadcast.core.model import Peer, PeerKind

_USERNAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{2,31}\Z")
_PHONE = re.compile(r"\+[1-9][0-9 ().-]{5,24}\Z")  # no country's code starts with 0
_ID = re.compile(r"-?[1-9][0-9]{0,18}\Z")
_TOPIC = re.compile(r"(@[A-Za-z0-9_]+|-[0-9]+)/([1-9][0-9]{0,9})\Z")  # of a forum, by its number
_INVITE = re.compile(r"[A-Za-z0-9_-]{8,64}\Z")
_LINK_HOSTS = {"t.me", "telegram.me", "telegram.dog", "www.t.me"}
# What t.me/ is followed by in links to stickers, shares, logins...: they look like a username.
_NOT_NAMES = re.compile(
    r"add(emoji|list|stickers|style|theme)\Z|(boost|call|confirmphone|contact|giftcode|invoice)\Z"
    r"|(joinchat|login|nft|proxy|setlanguage|share|socks)\Z",
    re.IGNORECASE,
)
_GREATEST_ID = 2**63 - 1
# A channel's id is -(10^12 + its number): https://core.telegram.org/api/bots/ids
CHANNEL_OFFSET = 10**12

_FORMS = "@username, +34600000001, 123456789, https://t.me/name or me"
_SHOWN = 80  # characters of a wrong text in its complaint


class PeerError(ValueError):
    """The text names no peer; the message says what was expected."""


def parse_peer(text: str) -> Peer:
    """Read `@username`, a phone with its `+`, a numeric id, a `t.me/` link, or `me`.

    Digits without a `+` are an id, as in Telegram's API (a chat's id is negative, a channel's
    starts with -100). `@group/42` is a topic of a forum. Raises PeerError.
    """
    written = text.strip()
    if written.isdecimal() and _is_plain_id(written):  # most of a long list
        return Peer(written, PeerKind.ID, written)
    if not written.isprintable():
        # Phone books put invisible marks around numbers; a terminal obeys some of them.
        raise PeerError(f"{_shown(written)} has an invisible character: type it again by hand")
    if written.lower() == "me":
        return Peer(written, PeerKind.ME, "me")
    if "/" in written and (topic := _TOPIC.match(written)):
        return replace(parse_peer(topic[1]), text=written, topic=int(topic[2]))
    if written.startswith("@"):
        return _username(written, written[1:])
    if written.startswith("+"):
        return _phone(written, written)
    if _ID.match(written):
        return _id(written, int(written))
    if "/" in written or written.startswith("tg:"):
        return _link(written)
    if _USERNAME.match(written):
        raise PeerError(f"{written!r} is not a recipient: write @{written} for a username")
    raise PeerError(f"{_shown(written)} is not a recipient: expected {_FORMS}")


def _is_plain_id(digits: str) -> bool:
    """Whether it is an id as a program writes it: a quick check for most of a long list."""
    return digits.isascii() and digits[0] != "0" and len(digits) < len(str(_GREATEST_ID))


def _shown(written: str) -> str:
    return repr(written if len(written) <= _SHOWN else written[: _SHOWN - 3] + "...")


def _username(written: str, name: str) -> Peer:
    if not _USERNAME.match(name):
        raise PeerError(
            f"{_shown(written)} is not a username: 3 to 32 letters, digits and _, a letter first"
        )
    return Peer(written, PeerKind.USERNAME, name.lower())


def _phone(written: str, number: str) -> Peer:
    if "(0)" in number:
        # +44 (0)20 7946 0018 is dialled either with +44 or with 0: with both it is another number.
        raise PeerError(
            f"{_shown(written)} has a (0), which is not dialled after a +: leave it out"
        )
    digits = re.sub(r"[^0-9]", "", number)
    if not _PHONE.match(number) or not 7 <= len(digits) <= 15:
        raise PeerError(
            f"{_shown(written)} is not a phone number: + and 7 to 15 digits "
            "with the country's code first"
        )
    return Peer(written, PeerKind.PHONE, "+" + digits)


def _id(written: str, number: int) -> Peer:
    if abs(number) > _GREATEST_ID:
        raise PeerError(f"{_shown(written)} is too large for an id")
    return Peer(written, PeerKind.ID, str(number))


def _link(written: str) -> Peer:
    try:
        link = urlsplit(written if "://" in written else f"https://{written}")
        host = (link.hostname or "").lower()
    except ValueError:
        raise PeerError(f"{_shown(written)} is not a link") from None
    if link.scheme == "tg" and host == "resolve":
        query = parse_qs(link.query)
        if "domain" in query:
            return _username(written, query["domain"][0])
        if "phone" in query:
            return _phone(written, "+" + query["phone"][0].strip(" +"))
    if link.scheme == "tg" and host == "join":
        return _invite(written, parse_qs(link.query).get("invite", [""])[0])
    parts = [part for part in link.path.split("/") if part]
    if link.scheme not in ("http", "https") or host not in _LINK_HOSTS or not parts:
        raise PeerError(f"{_shown(written)} is not a link to a chat: expected https://t.me/name")
    return _path(written, parts)


def _path(written: str, parts: list[str]) -> Peer:
    match parts:
        case ["joinchat", invite, *_]:
            return _invite(written, invite)
        case ["c", number, *_] if _ID.match(number) and not number.startswith("-"):
            return _id(written, -(CHANNEL_OFFSET + int(number)))
        case ["s", name, *_]:
            return _username(written, name)
        case [first, *_] if first.startswith("+"):
            # t.me/+34600000001 is a phone's link, t.me/+AbCd... an invitation's: both official.
            return _phone(written, first) if first[1:].isdecimal() else _invite(written, first[1:])
        case [first, *_] if _NOT_NAMES.match(first):
            raise PeerError(
                f"{_shown(written)} is not a link to a chat: expected https://t.me/name"
            )
        case _:
            return _username(written, parts[0])


def _invite(written: str, invite: str) -> Peer:
    if not _INVITE.match(invite):
        raise PeerError(f"{_shown(written)} is not a complete invitation link")
    return Peer(written, PeerKind.INVITE, invite)
