"""The buttons below a message: links of bots; everything else is refused."""

# Telethon's annotations name unions that pyright cannot see into, inside invariant lists.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportArgumentType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from telethon.tl import types

from broadcast.sandbox.world.rpc_error import RpcError

if TYPE_CHECKING:
    from broadcast.sandbox.memory.member import Account
    from broadcast.sandbox.memory.message_body import Buttons

_SCHEMES = ("http", "https", "tg", "ton", "tonsite")


def checked_buttons(account: Account, markup: object, *, most: int, in_row: int) -> Buttons:
    """The buttons of a reply markup; those of a person are ignored, as on Telegram.

    Raises RpcError: https://core.telegram.org/api/bots/buttons has the kinds, and
    https://core.telegram.org/method/messages.sendMessage the errors.
    """
    if markup is None or not account.is_bot:
        return ()
    if not isinstance(markup, types.ReplyInlineMarkup):
        raise RpcError(400, "REPLY_MARKUP_INVALID")  # not supported; ignoring it would be wrong
    rows = tuple(tuple(_checked(button) for button in row.buttons) for row in markup.rows)
    if not rows or not all(rows):
        raise RpcError(400, "REPLY_MARKUP_INVALID")
    if sum(map(len, rows)) > most or max(map(len, rows)) > in_row:
        raise RpcError(400, "REPLY_MARKUP_TOO_LONG")
    return rows


def markup_of(buttons: Buttons) -> types.ReplyInlineMarkup | None:
    """The buttons as Telegram shows them."""
    if not buttons:
        return None
    rows = [_ROW([_button(text, url) for text, url in row]) for row in buttons]
    return types.ReplyInlineMarkup(rows)


# Before 1.45 Telethon has the buttons of an older layer of Telegram's API.
_IS_OLDER = not hasattr(types, "KeyboardInlineButton")
_OLDER: Any = types
_ROW: Any = types.KeyboardButtonRow if _IS_OLDER else types.KeyboardInlineButtonRow


def _button(text: str, url: str) -> Any:
    if _IS_OLDER:
        return _OLDER.KeyboardButtonUrl(text, url)
    return types.KeyboardInlineButton(text, types.InlineButtonTypeUrl(url))


def _url_of(button: Any) -> str | None:
    """Where a button leads; None when it is of another kind."""
    kind = button if _IS_OLDER else button.type
    link = _OLDER.KeyboardButtonUrl if _IS_OLDER else types.InlineButtonTypeUrl
    return kind.url if isinstance(kind, link) else None


def _checked(button: Any) -> tuple[str, str]:
    url = _url_of(button)
    if url is None:
        raise RpcError(400, "BUTTON_TYPE_INVALID")
    if not button.text.strip():
        raise RpcError(400, "BUTTON_TEXT_INVALID")
    if not _is_link(url):
        raise RpcError(400, "BUTTON_URL_INVALID")
    return button.text, url


def _is_link(url: str) -> bool:
    """It needs a host, and no scheme or one that Telegram opens. Its own check is not published."""
    if any(character.isspace() for character in url):
        return False
    try:
        parts = urlsplit(url if "://" in url else f"https://{url}")
        host = parts.hostname
    except ValueError:
        return False
    if parts.scheme == "tg":
        return bool(host)
    return parts.scheme in _SCHEMES and bool(host) and ("." in host or host == "localhost")
