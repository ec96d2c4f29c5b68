"""Signs in at Telegram, and asks who is signed in; a person is asked through the `Asker`."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

from telethon import errors
from telethon.tl import functions, types

from broadcast.core.errors import LoginRequiredError, NextStep, SettingsError

if TYPE_CHECKING:
    from telethon import TelegramClient

    from broadcast.core.access import Credentials
    from broadcast.core.asker import Asker

ANSWER_TIMEOUT = 30  # seconds for one request; Telethon has no limit of its own
CODE_TRIES = 3

GONE = (errors.UserDeactivatedError, errors.UserDeactivatedBanError)
"""What Telegram answers to an account that was deleted or banned."""


async def get_me(client: TelegramClient) -> Any | None:
    """Our own user; None when nobody is signed in. Raises where the account itself is gone.

    Not Telethon's `get_me`, which does not tell the two apart.
    """
    try:
        (me,) = await in_time(client(functions.users.GetUsersRequest([types.InputUserSelf()])))
    except GONE:  # signing in again cannot help
        raise
    except errors.UnauthorizedError:
        return None
    return me


async def in_time(request: Any) -> Any:
    """What Telegram answers, if it does so in time: TimeoutError otherwise."""
    async with asyncio.timeout(ANSWER_TIMEOUT):
        return await request


async def sign_in(client: TelegramClient, credentials: Credentials, asker: Asker | None) -> None:
    """Sign in; a bot needs nobody to ask.

    Raises LoginRequiredError, SettingsError, and whatever Telethon raises when Telegram refuses.
    """
    if credentials.bot_token is not None:
        await in_time(client.sign_in(bot_token=credentials.bot_token))
        return
    if asker is None:
        raise LoginRequiredError(
            "nobody is signed in, and there is no terminal to ask for the code",
            NextStep("login", purpose="in a terminal signs in, once"),
        )
    phone = credentials.phone or await asker.phone()
    sent = await in_time(client.send_code_request(phone))
    where = {
        "SentCodeTypeApp": "in your Telegram app",
        "SentCodeTypeSms": "by SMS",
        "SentCodeTypeCall": "by a phone call",
    }.get(type(sent.type).__name__, "by Telegram")
    for _ in range(CODE_TRIES):
        try:
            await in_time(client.sign_in(phone, typed_code(await asker.code(where))))
        except errors.SessionPasswordNeededError:
            await _check_password(client, asker)
        except (errors.PhoneCodeInvalidError, errors.PhoneCodeEmptyError):
            await asker.wrong("this code is not right")
            continue
        except errors.PhoneNumberUnoccupiedError:
            raise SettingsError(
                "this number has no Telegram account yet: make one in the official app first"
            ) from None
        return
    raise _wrong("code")


def typed_code(written: str) -> str:
    """The code in what a person has typed: `12 345` and `123-45` are 12345.

    A code of words keeps its spaces: https://core.telegram.org/constructor/auth.sentCodeTypeSmsPhrase
    """
    digits = re.sub(r"[\s\u2010-\u2015-]", "", written)
    return digits if digits.isdecimal() else written.strip()


async def _check_password(client: TelegramClient, asker: Asker) -> None:
    for _ in range(CODE_TRIES):
        try:
            await in_time(client.sign_in(password=await asker.password()))
        except errors.PasswordHashInvalidError:
            await asker.wrong("this password is not right")
            continue
        return
    raise _wrong("password")


def _wrong(what: str) -> LoginRequiredError:
    return LoginRequiredError(
        f"the {what} was wrong {CODE_TRIES} times", NextStep("login", purpose="tries again")
    )
