"""Reads a recipient as a person writes it; it refuses to guess, and does not ask Telegram.

The forms and their limits are Telegram's: https://core.telegram.org/api/links and
https://limits.tginfo.me (usernames 3 to 32 characters: some old bots have three).
"""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

from broadcast.core.model import Peer, PeerKind
from broadcast.core.spelling import without_format

_USERNAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{2,31}\Z")
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}\Z")  # E.164; no country's code starts with 0
_BETWEEN_DIGITS = re.compile(r"[ ()\[\]./\u2010-\u2015\u2212-]")
_SCIENTIFIC = re.compile(r"[0-9]+(?:[.,][0-9]+)?[eE]\+?[0-9]+\Z")
_FRACTION = re.compile(r"\+?[0-9]{5,}[.,]0+\Z")
_ALTERNATIVE = re.compile(r"[0-9]\s*/\s*[0-9]{1,3}\Z")  # +34600000001/02
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
    """Read `@username`, a phone with its `+` or `00`, a numeric id, a `t.me/` link, or `me`.

    Digits without either are an id, as in Telegram's API (a chat's id is negative, a channel's
    starts with -100). `@group/42` is a topic of a forum. Raises PeerError.
    """
    written = text.strip()
    if written.isdecimal() and _is_plain_id(written):  # most of a long list
        return Peer(written, PeerKind.ID, written)
    if not written.isprintable():
        written = _without_marks(written)
    if written.lower() == "me":
        return Peer(written, PeerKind.ME, "me")
    if "/" in written and (topic := _TOPIC.match(written)):
        return replace(parse_peer(topic[1]), text=written, topic=int(topic[2]))
    if written.startswith("@"):
        return _username(written, written[1:])
    if _ID.match(written):
        return _id(written, int(written))
    if written.startswith(("+", "(", "00")):
        return _phone(written, written)
    if "/" in written or written.lower().startswith("tg:") or written.lower().endswith(".t.me"):
        return _link(written)
    raise PeerError(f"{_shown(written)} is not a recipient: {_expected(written)}")


def _without_marks(written: str) -> str:
    """Phone books and web pages put marks and spaces of their own around what is copied."""
    cleaned = re.sub(r"[^\S\t\n\r\f\v]", " ", without_format(written)).strip()
    if not cleaned.isprintable():  # a terminal would obey it
        raise PeerError(f"{_shown(written)} has an invisible character: type it again by hand")
    return cleaned


def _expected(written: str) -> str:
    """What to write in place of what is not a recipient."""
    if _USERNAME.match(written):
        return f"write @{written} for a username"
    if _SCIENTIFIC.match(written):
        return (
            "a spreadsheet has shortened a long number. Format its column as text, and enter the "
            "number again, a phone number with its +"
        )
    if _FRACTION.match(written):
        return (
            "a spreadsheet or a program has made it a number with decimals. Write it without "
            "them, a phone number with its +"
        )
    digits = _BETWEEN_DIGITS.sub("", written)
    if digits.isdecimal() and 6 <= len(digits) <= 15:
        return "a phone number starts with + and the country's code, such as +34600000001"
    return f"expected {_FORMS}"


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
    if _FRACTION.match(number):
        raise PeerError(f"{_shown(written)} is not a recipient: {_expected(written)}")
    if _ALTERNATIVE.search(number):
        raise PeerError(
            f"{_shown(written)} looks like two phone numbers: write one of them in full"
        )
    digits = _BETWEEN_DIGITS.sub("", number)
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    if not _PHONE.match(digits):
        raise PeerError(
            f"{_shown(written)} is not a phone number: + and 7 to 15 digits "
            "with the country's code first"
        )
    return Peer(written, PeerKind.PHONE, digits)


def _id(written: str, number: int) -> Peer:
    if abs(number) > _GREATEST_ID:
        raise PeerError(f"{_shown(written)} is too large for an id")
    return Peer(written, PeerKind.ID, str(number))


def _link(written: str) -> Peer:
    whole = re.sub(r"^tg:(?://)?", "tg://", written, flags=re.IGNORECASE)
    try:
        link = urlsplit(whole if "://" in whole else f"https://{whole}")
        host = (link.hostname or "").lower()
    except ValueError:
        raise PeerError(f"{_shown(written)} is not a link") from None
    if link.scheme == "tg":
        return _app_link(written, host, parse_qs(link.query))
    if host.endswith(".t.me") and host not in _LINK_HOSTS and link.scheme in ("http", "https"):
        return _username(written, host.removesuffix(".t.me"))
    parts = [part for part in link.path.split("/") if part]
    if link.scheme not in ("http", "https") or host not in _LINK_HOSTS or not parts:
        raise PeerError(f"{_shown(written)} is not a link to a chat: expected https://t.me/name")
    return _path(written, parts)


def _app_link(written: str, action: str, query: dict[str, list[str]]) -> Peer:
    """A link that an app opens: `tg://resolve?domain=ana`."""
    match action, {name: values[0] for name, values in query.items()}:
        case "resolve", {"domain": name}:
            return _username(written, name.removeprefix("@"))
        case "resolve", {"phone": number}:
            return _phone(written, "+" + number.strip(" +"))
        case "user", {"id": number} if _ID.match(number):
            return _id(written, int(number))
        case "join", {"invite": invite}:
            return _invite(written, invite)
        case _:
            told = "expected tg://resolve?domain=name or https://t.me/name"
            raise PeerError(f"{_shown(written)} is not a link to a chat: {told}")


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
            return _username(written, parts[0].removeprefix("@"))


def _invite(written: str, invite: str) -> Peer:
    if not _INVITE.match(invite):
        raise PeerError(f"{_shown(written)} is not a complete invitation link")
    return Peer(written, PeerKind.INVITE, invite)
