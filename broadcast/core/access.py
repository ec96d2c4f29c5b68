"""What is needed to open a Telegram account, as frozen values; repr shows no secret."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Server:
    """Where to connect when it is not Telegram itself. `key` is its RSA public key, PKCS#1 PEM."""

    host: str
    port: int
    dc: int = 2
    key: str | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.dc}@{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who sends. At most one of `phone` and `bot_token` is set."""

    api_id: int = field(repr=False)
    api_hash: str = field(repr=False)
    phone: str | None = field(default=None, repr=False)
    bot_token: str | None = field(default=None, repr=False)

    @property
    def bot_id(self) -> int | None:
        """The user id of the bot, with which its token begins; None for a person."""
        return int(self.bot_token.partition(":")[0]) if self.bot_token else None


@dataclass(frozen=True, slots=True)
class Access:
    """Everything that is needed to open an account.

    `session` is a file, or the text of a Telethon string session; an empty text is a session that
    ends with the process. `addresses` is the file that keeps the addresses that were looked up.
    """

    credentials: Credentials
    session: Path | str = field(repr=False)
    addresses: Path
    server: Server | None = None
