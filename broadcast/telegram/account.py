"""Opens a Telegram account: session file, server, login. It sends no message."""

# Telethon ships no type information, so every value of it is unknown to the checker.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

from __future__ import annotations

import asyncio
import logging
import sqlite3
import struct
import sys
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from telethon import TelegramClient, errors
from telethon.crypto import rsa
from telethon.sessions import SQLiteSession, StringSession
from telethon.tl import functions, types

from broadcast.core.errors import HaltedError, LoginRequiredError, SettingsError
from broadcast.core.model import Account
from broadcast.disk.private import cannot_write, only_process
from broadcast.telegram.errors import LOST, refusal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from broadcast.core.access import Access, Credentials

CONNECT_TIMEOUT = 10  # seconds for one try to connect
CONNECT_RETRIES = 2
ANSWER_TIMEOUT = 30  # seconds for one request; Telethon has no limit of its own
CODE_TRIES = 3

# Telethon logs whole requests when it fails, and requests hold message texts and phone numbers.
_GONE = (errors.UserDeactivatedError, errors.UserDeactivatedBanError)
"""What Telegram answers to an account that was deleted or banned."""

_SILENT = logging.getLogger("broadcast.telethon")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


class Prompts(Protocol):
    """Asks the person at the terminal while signing in."""

    def phone(self) -> str:
        """The phone number of the account."""
        ...

    def code(self, where: str) -> str:
        """The code that Telegram has sent; `where` says to which place."""
        ...

    def password(self) -> str:
        """The two-step verification password."""
        ...

    def complain(self, message: str) -> None:
        """The last answer was wrong."""
        ...


class AccountOpener:
    """Makes clients for one account, one after the other, over one session."""

    def __init__(self, access: Access) -> None:
        self._access = access
        server = access.server
        if server is not None and server.key is not None:
            try:
                rsa.add_key(server.key, old=False)
            except Exception as error:  # PEM, base64 and ASN.1 have each their own
                raise SettingsError(
                    "TELEGRAM_SERVER_KEY: the file is not a valid RSA public key"
                ) from error
        self._session = _open_session(access.session)
        if server is not None and not self._session.auth_key:  # signing in may have moved it since
            self._session.set_dc(server.dc, server.host, server.port)

    async def connect(self, *, for_login: bool = False) -> TelegramClient:
        """A connected client. A client whose connection was lost is discarded, never reused.

        Raises HaltedError when the server cannot be reached, SettingsError when it does not hold
        the key that was given.
        """
        client = TelegramClient(
            self._session,
            self._access.credentials.api_id,
            self._access.credentials.api_hash,
            timeout=CONNECT_TIMEOUT,
            connection_retries=CONNECT_RETRIES,
            retry_delay=1,
            # A connection that is lost is ours to notice: Telethon makes a new one at once and for
            # ever where the server accepts and then hangs up, without a pause or a word.
            auto_reconnect=False,
            # Signing in may move to another data centre, which is a retry inside Telethon;
            # when sending, retries and waits are ours (docs/architecture.md).
            request_retries=5 if for_login else 0,
            flood_sleep_threshold=0,
            raise_last_call_error=True,
            receive_updates=False,
            base_logger=_SILENT,
        )
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT * (CONNECT_RETRIES + 2)):
                await client.connect()
        except BaseException as error:
            await disconnect(client)
            if isinstance(error, errors.RPCError):
                raise refusal(error) from error
            if isinstance(error, (*LOST, errors.AuthKeyNotFound)):
                raise self._unreachable(error) from error
            raise
        return client

    def _unreachable(self, error: Exception) -> Exception:
        server = self._access.server
        where = "Telegram" if server is None else f"the Telegram server at {server}"
        if "auth_key generation failed" in str(error) and server is not None and not server.key:
            return SettingsError(
                f"{where} has a key of its own: name the file with its public key (PKCS#1 PEM) in "
                "TELEGRAM_SERVER_KEY; `broadcast sandbox serve` prints it for the sandbox"
            )
        if "auth_key generation failed" in str(error):
            return SettingsError(
                f"{where} does not hold the private key that belongs to TELEGRAM_SERVER_KEY; "
                "nothing was sent. Get that server's public key (PKCS#1 PEM) and name its file in "
                "TELEGRAM_SERVER_KEY"
            )
        if isinstance(error, errors.AuthKeyNotFound):
            return LoginRequiredError(
                f"{where} does not know this session any more: sign in again with `broadcast login`"
            )
        hint = "the network" if server is None else "the network and TELEGRAM_SERVER"
        return HaltedError(f"{where} cannot be reached; nothing was sent. Check {hint}")

    async def whoami(self, client: TelegramClient) -> Account | None:
        """Who is signed in; None when nobody is.

        Raises SettingsError when it is somebody else; after any error the client is disconnected.
        """
        try:
            with self._telling():
                return self._checked(await _get_me(client))
        except BaseException:
            await disconnect(client)
            raise

    @contextmanager
    def _telling(self) -> Generator[None]:
        """Telethon's errors, told to a person."""
        try:
            yield
        except errors.RPCError as error:
            raise refusal(error) from error
        except (*LOST, errors.AuthKeyNotFound) as error:
            raise self._unreachable(error) from error

    def _checked(self, me: Any | None) -> Account | None:
        if me is None:
            return None
        phone = self._access.credentials.phone
        if phone is not None and (me.bot or f"+{me.phone}" != phone):
            raise SettingsError(
                f"the session {self._where()} belongs to another account than TELEGRAM_PHONE. "
                "Set TELEGRAM_SESSION to a new name for this phone, or run `broadcast logout`"
            )
        token = self._access.credentials.bot_token
        if token is not None and str(me.id) != token.partition(":")[0]:
            raise SettingsError(
                f"the session {self._where()} belongs to another account than TELEGRAM_BOT_TOKEN. "
                "Set TELEGRAM_SESSION to a new name for this bot, or run `broadcast logout`"
            )
        name = " ".join(part for part in (me.first_name, me.last_name) if part) or str(me.id)
        shown = f"{name} (@{me.username})" if me.username else name
        return Account(me.id, bool(me.bot), shown, is_premium=bool(me.premium))

    def _where(self) -> str:
        session = self._access.session
        return "in TELEGRAM_SESSION" if isinstance(session, str) else str(session)

    async def login(self, prompts: Prompts | None) -> Account:
        """Sign in, asking `prompts` what is needed; a bot needs nothing.

        Raises LoginRequiredError without `prompts` where a person is needed, and HaltedError or
        SettingsError when Telegram refuses.
        """
        client = await self.connect(for_login=True)
        try:
            account = await self.whoami(client)
            if account is None:
                with self._telling():
                    await _sign_in(client, self._access.credentials, prompts)
                account = await self.whoami(client)
            if account is None:
                raise HaltedError("Telegram has accepted the login and yet knows nobody")
        finally:
            await disconnect(client)
        return account

    async def signed_in(self) -> Account | None:
        """Connect, and ask who is signed in."""
        client = await self.connect()
        try:
            return await self.whoami(client)
        finally:
            await disconnect(client)

    async def logout(self) -> bool:
        """End the session at Telegram and here; False when nobody was signed in."""
        client = await self.connect(for_login=True)
        signed_in = False
        try:
            with self._telling(), suppress(*_GONE):
                signed_in = await _get_me(client) is not None
                if signed_in:
                    await _answer(client.log_out())
        finally:
            await disconnect(client)
        if isinstance(self._access.session, Path):
            self._access.session.unlink(missing_ok=True)
        return signed_in


async def disconnect(client: TelegramClient) -> None:
    """Disconnect `client`; Telethon says only at run time that this can be awaited.

    An error that is on its way goes on as it is.
    """
    underway = sys.exc_info()[1]
    try:
        ending: Any = client.disconnect()
        if ending is not None:
            await ending
    except sqlite3.Error:  # the session file, on a disk that is full as the ledger found it
        if underway is None:
            raise
    ended: Any = client.disconnected
    if ended.done() and not ended.cancelled():
        ended.exception()  # asked for, so that asyncio does not log a lost connection by itself


async def _get_me(client: TelegramClient) -> Any | None:
    """Our own user; None when nobody is signed in. Raises where the account itself is gone.

    Not `is_user_authorized`, which is False in a flood wait, too.
    """
    if (me := await _answer(client.get_me())) is not None:
        return me
    try:  # once more, because get_me does not tell why it knows nobody
        await _answer(client(functions.users.GetUsersRequest([types.InputUserSelf()])))
    except _GONE:  # signing in again cannot help
        raise
    except errors.UnauthorizedError:
        pass
    return None


async def _answer(request: Any) -> Any:
    """What Telegram answers, if it does so in time: TimeoutError otherwise."""
    async with asyncio.timeout(ANSWER_TIMEOUT):
        return await request


def _open_session(session: Path | str) -> StringSession | SQLiteSession:
    if isinstance(session, str):
        try:
            return StringSession(session)
        except (ValueError, struct.error) as error:
            raise SettingsError(
                "TELEGRAM_SESSION is long enough for a string session but is not one; make a new "
                "one, or use the name of a session file"
            ) from error
    try:
        session.touch(mode=0o600)
        session.chmod(0o600)
        opened = SQLiteSession(str(session))
    except OSError as error:
        raise SettingsError(cannot_write(session, error)) from error
    except sqlite3.Error as error:
        raise SettingsError(
            f"{session}: not a session file ({error}). Move it away, then `broadcast login`"
        ) from error
    # Telethon would write entities after each answer: a locked file then turns a delivered
    # message into an exception. Addresses are kept in addresses.py instead.
    opened.save_entities = False
    return opened


@asynccontextmanager
async def open_account(access: Access) -> AsyncGenerator[AccountOpener]:
    """The account of `access`, its session file 0600 in a 0700 directory and ours alone.

    Raises LockedError when another process uses the session.
    """
    if isinstance(access.session, str):
        yield AccountOpener(access)
        return
    with only_process(access.session, "the Telegram session"):
        yield AccountOpener(access)


async def _sign_in(
    client: TelegramClient, credentials: Credentials, prompts: Prompts | None
) -> None:
    if credentials.bot_token is not None:
        await _answer(client.sign_in(bot_token=credentials.bot_token))
        return
    if prompts is None:
        raise LoginRequiredError(
            "nobody is signed in, and there is no terminal to ask for the code: run "
            "`broadcast login` once in a terminal"
        )
    phone = credentials.phone or prompts.phone()
    sent = await _answer(client.send_code_request(phone))
    where = {
        "SentCodeTypeApp": "in your Telegram app",
        "SentCodeTypeSms": "by SMS",
        "SentCodeTypeCall": "by a phone call",
    }.get(type(sent.type).__name__, "by Telegram")
    for _ in range(CODE_TRIES):
        try:
            await _answer(client.sign_in(phone, prompts.code(where)))
        except errors.SessionPasswordNeededError:
            await _check_password(client, prompts)
        except (errors.PhoneCodeInvalidError, errors.PhoneCodeEmptyError):
            prompts.complain("this code is not right")
            continue
        except errors.PhoneNumberUnoccupiedError:
            raise SettingsError(
                "this number has no Telegram account yet: make one in the official app first"
            ) from None
        return
    raise LoginRequiredError(f"the code was wrong {CODE_TRIES} times; run `broadcast login` again")


async def _check_password(client: TelegramClient, prompts: Prompts) -> None:
    for _ in range(CODE_TRIES):
        try:
            await _answer(client.sign_in(password=prompts.password()))
        except errors.PasswordHashInvalidError:
            prompts.complain("this password is not right")
            continue
        return
    raise LoginRequiredError(
        f"the password was wrong {CODE_TRIES} times; run `broadcast login` again"
    )
