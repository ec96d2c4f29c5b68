"""The only reader of the environment and of `.env`; it opens no connection and no session.

A setting comes from the options of the command line, else the environment, else `.env`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from broadcast.core.access import Access, Credentials, Server
from broadcast.core.errors import SettingsError
from broadcast.core.model import PeerKind
from broadcast.core.peers import PeerError, parse_peer

if TYPE_CHECKING:
    from collections.abc import Mapping

TEST_SERVER = "2@149.154.167.40:80"
"""Telegram's own test servers, data centre 2: https://core.telegram.org/api/auth#test-accounts"""

_TOKEN = re.compile(r"[0-9]{3,20}:[A-Za-z0-9_-]{30,50}")
_SERVER = re.compile(
    r"(?:(?P<dc>[1-9][0-9]{0,4})@)?(?P<host>\[[0-9a-fA-F:.]+\]|[^\s:@/\[\]]+):(?P<port>[0-9]{1,5})"
)
STRING_SESSION_LENGTH = 200
"""Telethon's string sessions have 353 characters or more; no name of a file comes near."""

WHERE_TO_GET_CREDENTIALS = """\
No Telegram credentials: {missing} not set. Once, and free of charge:
  1. Sign in at https://my.telegram.org, open "API development tools", create an application.
  2. Put what it shows into a file .env in this directory:
       TELEGRAM_API_ID=1234567
       TELEGRAM_API_HASH=0123456789abcdef0123456789abcdef
     and, to send as yourself,  TELEGRAM_PHONE=+34600000001
     or, to send as a bot,      TELEGRAM_BOT_TOKEN=123456:the-token-of-@BotFather
To try it without an account, with nothing of this:  broadcast "I bought a car!" --sandbox"""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings from the environment, `.env` and options, read once."""

    home: Path
    config_dir: Path
    credentials: Credentials | None = None
    missing: tuple[str, ...] = ()
    session: str | None = field(default=None, repr=False)  # it may be a string session
    server: Server | None = None
    has_bot_token: bool = False  # enough to be a bot in the sandbox, which needs no credentials

    @property
    def sandbox_home(self) -> Path:
        """Where the sandbox keeps its own ledger and messages, apart from the real ones."""
        return self.home / "sandbox"

    def access(self) -> Access:
        """What is needed to open the account. SettingsError says where to get the credentials."""
        if self.credentials is None:
            verb = "is" if len(self.missing) == 1 else "are"
            missing = f"{' and '.join(self.missing)} {verb}"
            raise SettingsError(WHERE_TO_GET_CREDENTIALS.format(missing=missing))
        # A file for each server: ids and hashes of one server are not valid at another.
        addresses = self._folder() / "addresses.db"
        return Access(self.credentials, self._session(), addresses, self.server)

    def _folder(self) -> Path:
        folder = self.home / "sessions"
        if self.server is None:
            return folder
        return folder / re.sub(r"[^0-9A-Za-z.@-]", "_", str(self.server))

    def _session(self) -> Path | str:
        """A string session or a file: a path, or a name below `home`, apart for each server."""
        name = self.session
        if name is None:
            token = self.credentials and self.credentials.bot_token
            name = f"bot{token.partition(':')[0]}" if token else "me"
        if len(name) >= STRING_SESSION_LENGTH:
            return name
        if "/" in name or "\\" in name or name.endswith(".session"):
            return user_path(name.removesuffix(".session") + ".session")
        return self._folder() / f"{name}.session"


def read_environment(environ: Mapping[str, str], dotenv: Path) -> dict[str, str]:
    """The environment, and below it the file `dotenv` when it exists; empty values count as unset.

    SettingsError when the file is there and cannot be read.
    """
    values: dict[str, str] = {}
    if dotenv.is_file():
        from dotenv import dotenv_values  # noqa: PLC0415 - `--help` needs none
        from dotenv.parser import parse_stream  # noqa: PLC0415

        try:
            with dotenv.open(encoding="utf-8") as stream:
                wrong = [part.original.line for part in parse_stream(stream) if part.error]
            if wrong:
                raise SettingsError(f"{dotenv}:{wrong[0]}: expected NAME=value, or # and a remark")
            values = {key: value for key, value in dotenv_values(dotenv).items() if value}
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{dotenv}: cannot be read: {error}") from error
    return values | {key: value for key, value in environ.items() if value}


def user_path(text: str) -> Path:
    """The path that `text` names, where ~ is a home; SettingsError when there is no such user."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise SettingsError(
            f"{text}: there is no such user, so that ~ names no directory"
        ) from error


def load_settings(values: Mapping[str, str], *, home: str | None = None) -> Settings:
    """Make the settings from `values` (see `read_environment`); SettingsError names what is wrong.

    `home` is the option of the command line, which goes before BROADCAST_HOME.
    """
    from platformdirs import user_config_path, user_data_path  # noqa: PLC0415 - as above

    chosen = home or values.get("BROADCAST_HOME")
    credentials, missing = _credentials(values)
    return Settings(
        home=user_path(chosen) if chosen else user_data_path("broadcast"),
        config_dir=user_config_path("broadcast"),
        credentials=credentials,
        missing=missing,
        session=values.get("TELEGRAM_SESSION"),
        server=_server(values),
        has_bot_token="TELEGRAM_BOT_TOKEN" in values,
    )


def _credentials(values: Mapping[str, str]) -> tuple[Credentials | None, tuple[str, ...]]:
    names = ("TELEGRAM_API_ID", "TELEGRAM_API_HASH")
    missing = tuple(name for name in names if name not in values)
    if missing:
        return None, missing
    api_id, api_hash = (values[name].strip() for name in names)
    if not (re.fullmatch("[0-9]{1,10}", api_id) and 0 < int(api_id) < 2**31):
        raise SettingsError(
            "TELEGRAM_API_ID must be the number that my.telegram.org shows as api_id, "
            "such as 1234567"
        )
    phone, token = values.get("TELEGRAM_PHONE"), values.get("TELEGRAM_BOT_TOKEN")
    if phone and token:
        raise SettingsError(
            "TELEGRAM_PHONE and TELEGRAM_BOT_TOKEN are both set: remove one, so that it is clear "
            "who sends"
        )
    if token and not _TOKEN.fullmatch(token.strip()):
        raise SettingsError(
            "TELEGRAM_BOT_TOKEN is not a bot token: @BotFather shows it as digits, a colon and "
            "35 characters"
        )
    return Credentials(int(api_id), api_hash, _phone(phone), token and token.strip()), ()


def _phone(text: str | None) -> str | None:
    if not text:
        return None
    try:
        peer = parse_peer(text)
    except PeerError:
        peer = None
    if peer is None or peer.kind is not PeerKind.PHONE:
        raise SettingsError(
            "TELEGRAM_PHONE is not a phone number: write it with + and the country's code, "
            "such as +34600000001"
        )
    return peer.value


def _server(values: Mapping[str, str]) -> Server | None:
    text, key_file = values.get("TELEGRAM_SERVER"), values.get("TELEGRAM_SERVER_KEY")
    if not text:
        if key_file:
            raise SettingsError("TELEGRAM_SERVER_KEY is set, but TELEGRAM_SERVER is not")
        return None
    found = _SERVER.fullmatch(TEST_SERVER if text == "test" else text.strip())
    if not found or not 0 < int(found["port"]) < 2**16:
        raise SettingsError(
            f"TELEGRAM_SERVER={text}: expected host:port, dc@host:port, or the word test"
        )
    key = None if not key_file else _server_key(user_path(key_file))
    return Server(found["host"].strip("[]"), int(found["port"]), int(found["dc"] or 2), key)


def _server_key(path: Path) -> str:
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"TELEGRAM_SERVER_KEY={path}: cannot be read: {error}") from error
    if "-----BEGIN RSA PUBLIC KEY-----" not in text:
        raise SettingsError(
            f"TELEGRAM_SERVER_KEY={path}: not an RSA public key in PKCS#1 form, whose first line "
            "is -----BEGIN RSA PUBLIC KEY-----; convert another form with "
            "`openssl rsa -pubin -in FILE -RSAPublicKey_out`"
        )
    return text
