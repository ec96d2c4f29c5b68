"""Opens a Telegram account: connects, signs in, says whose it is. It sends no message."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from telethon import errors

from broadcast.core.clock import Clock, SystemClock
from broadcast.core.errors import (
    BroadcastError,
    HaltedError,
    LockedError,
    LoginRequiredError,
    NextStep,
    SettingsError,
)
from broadcast.core.model import Account
from broadcast.disk.private import only_process
from broadcast.telegram.client import disconnect, make_client
from broadcast.telegram.error_translation import LOST, UNREADABLE, UnreadableAnswerError, refusal
from broadcast.telegram.session import is_held, open_session, trusted
from broadcast.telegram.sign_in import GONE, get_me, in_time, sign_in

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from telethon import TelegramClient

    from broadcast.core.access import Access
    from broadcast.core.asker import Asker

CONNECT_TIMEOUT = 10  # seconds for one try to connect
CONNECT_RETRIES = 2
KEY_TRIES = 3  # to agree on a key
LOGIN_RETRIES = 5  # moving to another data center, as signing in may, is a retry inside Telethon

# Telethon logs whole requests when it fails, and requests hold message texts and phone numbers.
_SILENT = logging.getLogger("broadcast.telethon")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


class AccountOpener:
    """Makes clients for one account, one after the other, over one session."""

    def __init__(self, access: Access, clock: Clock) -> None:
        self._access, self._clock = access, clock
        self._session = open_session(access)

    async def connect(self, *, retries: int = 0) -> TelegramClient:
        """A connected client. A client whose connection was lost is discarded, never reused.

        When sending, retries and waits are ours (docs/architecture.md). Raises HaltedError when the
        server cannot be reached, SettingsError when it does not hold the key that was given.
        """
        with self._translated():
            for left in reversed(range(KEY_TRIES)):
                client = make_client(
                    self._session,
                    self._access.credentials.api_id,
                    self._access.credentials.api_hash,
                    self._clock,
                    request_retries=retries,
                    **self._options(),
                )
                try:
                    async with asyncio.timeout(CONNECT_TIMEOUT * (CONNECT_RETRIES + 2)):
                        await client.connect()
                except BaseException as error:
                    await disconnect(client)
                    if left and self._may_agree_next_time(error):
                        continue
                    raise
                return client
        raise AssertionError("the last try returns or raises")

    def _options(self) -> dict[str, Any]:
        return {
            # Without it Telethon takes an IPv6 address for a mistake, and goes to Telegram instead.
            "use_ipv6": ":" in (self._session.server_address or ""),
            "timeout": CONNECT_TIMEOUT,
            "connection_retries": CONNECT_RETRIES,
            "retry_delay": 1,
            # A connection that is lost is ours to notice: Telethon makes a new one at once and for
            # ever where the server accepts and then hangs up, without a pause or a word.
            "auto_reconnect": False,
            "flood_sleep_threshold": 0,
            "raise_last_call_error": True,
            "receive_updates": False,
            "base_logger": _SILENT,
        }

    def _may_agree_next_time(self, error: BaseException) -> bool:
        """Whether it was the key exchange that failed, where the session has no key yet.

        Telethon's factorisation is wrong once in a thousand times, and the server then hangs up.
        """
        is_refused = isinstance(error, errors.InvalidBufferError) and error.code == 404
        return is_refused and not self._session.auth_key

    @contextmanager
    def _translated(self) -> Generator[None]:
        """Telethon's errors as ours."""
        try:
            yield
        except errors.RPCError as error:
            raise refusal(error) from error
        except (*LOST, errors.AuthKeyNotFound) as error:
            raise self._unreachable(error) from error
        except UNREADABLE:
            raise UnreadableAnswerError from None
        except sqlite3.Error as error:
            where = f"the session {self._where()}"
            if is_held(error):
                raise LockedError(
                    f"another program holds {where} ({error}); nothing was sent. Close that program"
                ) from error
            raise HaltedError(
                f"{where} cannot be written ({error}); nothing was sent. Free some space, or make "
                "it writable"
            ) from error

    def _unreachable(self, error: Exception) -> BroadcastError:
        server = self._access.server
        where = "Telegram" if server is None else f"the Telegram server at {server}"
        if "auth_key generation failed" in str(error) and server is not None and not server.key:
            return SettingsError(
                f"{where} has a key of its own: name the file with its public key (PKCS#1 PEM) in "
                "TELEGRAM_SERVER_KEY",
                NextStep("sandbox", options=("serve",), purpose="prints it for the sandbox"),
            )
        if "auth_key generation failed" in str(error):
            return SettingsError(
                f"{where} does not hold the private key that belongs to TELEGRAM_SERVER_KEY; "
                "nothing was sent. Get that server's public key (PKCS#1 PEM) and name its file in "
                "TELEGRAM_SERVER_KEY"
            )
        if isinstance(error, errors.AuthKeyNotFound):
            return LoginRequiredError(
                f"{where} does not know this session any more",
                NextStep("login", purpose="signs in again"),
            )
        hint = "the network" if server is None else "the network and TELEGRAM_SERVER"
        return HaltedError(f"{where} cannot be reached; nothing was sent. Check {hint}")

    async def whoami(self, client: TelegramClient) -> Account | None:
        """Who is signed in; None when nobody is.

        Raises SettingsError when it is somebody else; after any error the client is disconnected.
        """
        try:
            with self._translated():
                return self._checked(await get_me(client))
        except BaseException:
            await disconnect(client)
            raise

    def _checked(self, me: Any | None) -> Account | None:
        if me is None:
            return None
        credentials = self._access.credentials
        if credentials.phone is not None and (me.bot or f"+{me.phone}" != credentials.phone):
            raise self._of_another("TELEGRAM_PHONE", "phone")
        token = credentials.bot_token
        if token is not None and str(me.id) != token.partition(":")[0]:
            raise self._of_another("TELEGRAM_BOT_TOKEN", "bot")
        name = " ".join(part for part in (me.first_name, me.last_name) if part) or str(me.id)
        shown = f"{name} (@{me.username})" if me.username else name
        return Account(me.id, bool(me.bot), shown, is_premium=bool(me.premium))

    def _of_another(self, setting: str, what: str) -> SettingsError:
        return SettingsError(
            f"the session {self._where()} belongs to another account than {setting}. Set "
            f"TELEGRAM_SESSION to a new name for this {what}",
            NextStep("logout", purpose="ends that session instead"),
        )

    def _where(self) -> str:
        session = self._access.session
        return "in TELEGRAM_SESSION" if isinstance(session, str) else str(session)

    async def login(self, asker: Asker | None) -> Account:
        """Sign in, asking `asker` what is needed; a bot needs nothing.

        Raises LoginRequiredError without `asker` where a person is needed, and HaltedError or
        SettingsError when Telegram refuses.
        """
        client = await self.connect(retries=LOGIN_RETRIES)
        try:
            account = await self.whoami(client)
            if account is None:
                with self._translated():
                    await sign_in(client, self._access.credentials, asker)
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
        client = await self.connect(retries=LOGIN_RETRIES)
        signed_in = False
        try:
            with self._translated(), suppress(*GONE):
                signed_in = await get_me(client) is not None
                if signed_in:
                    await in_time(client.log_out())
        finally:
            await disconnect(client)
        if isinstance(self._access.session, Path):
            self._access.session.unlink(missing_ok=True)
        return signed_in


@asynccontextmanager
async def open_account(access: Access, clock: Clock | None = None) -> AsyncGenerator[AccountOpener]:
    """The account of `access`, its session file 0600 in a 0700 directory and ours alone.

    The server's key is trusted as long as this is open. Raises LockedError when another process
    uses the session, SettingsError when it or the key cannot be used.
    """
    with ExitStack() as stack:
        if access.server is not None and access.server.key is not None:
            stack.enter_context(trusted(access.server.key))
        if not isinstance(access.session, str):
            stack.enter_context(only_process(access.session, "the Telegram session"))
        yield AccountOpener(access, clock or SystemClock())
