"""The only reader of the environment and of `.env`; it opens no connection and no session.

A setting comes from the options of the command line, else the environment, else `.env` in this
directory, else the user's own `.env`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from broadcast.core.access import Access, Credentials, Server
from broadcast.core.errors import SettingsError
from broadcast.core.model import PeerKind
from broadcast.core.peers import PeerError, parse_peer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from dotenv.parser import Original

TEST_SERVER = "2@149.154.167.40:80"
"""Telegram's own test servers, data centre 2: https://core.telegram.org/api/auth#test-accounts"""

TELEGRAM_NAMES = frozenset(
    f"TELEGRAM_{name}"
    for name in ("API_ID", "API_HASH", "PHONE", "BOT_TOKEN", "SESSION", "SERVER", "SERVER_KEY")
)
NEAR_MISS = 0.85  # of difflib, without TELEGRAM_: `BOTTOKEN` is near, `APP_ID` and `TOKEN` are not

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
To try it without an account, with nothing of this:  broadcast 'I bought a car!' --sandbox"""


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
        if is_string_session(name):
            return name
        if "/" in name or "\\" in name or name.endswith(".session"):
            return user_path(name.removesuffix(".session") + ".session")
        return self._folder() / f"{name}.session"


def is_string_session(name: str) -> bool:
    """Whether a session is the account itself, and so a secret, and not the name of a file."""
    return len(name) >= STRING_SESSION_LENGTH


def read_environment(
    environ: Mapping[str, str], *dotenvs: Path, options: Collection[str] | None = None
) -> dict[str, str]:
    """The environment, and below it each of the files `dotenvs` that exists, the first one first.

    `options` are the names of BROADCAST_ that there are; without it none of them is called unknown.
    SettingsError when the file cannot be read, when one of our names is set and empty, or when a
    name is most likely a mistyped one of ours: it would be ignored, and what it asks for not done.
    """
    written = [_dotenv(path) for path in dotenvs]
    missing = TELEGRAM_NAMES.difference(environ, *written)
    found: dict[str, str] = {}
    for path, values in reversed(
        [("the environment", environ), *zip(dotenvs, written, strict=True)]
    ):
        _require_filled(values, str(path))
        _require_known(values, missing, options, str(path))
        found |= {name: value for name, value in values.items() if value}
    return found


def user_dotenv() -> Path:
    """The `.env` of this user, beside the contact list that is found from everywhere."""
    from platformdirs import user_config_path  # noqa: PLC0415 - `--help` needs none

    return user_config_path("broadcast") / ".env"


def _dotenv(path: Path) -> Mapping[str, str | None]:
    """What the file says; nothing where there is none."""
    if not path.is_file():
        return {}
    from dotenv import dotenv_values  # noqa: PLC0415 - `--help` needs none
    from dotenv.parser import parse_stream  # noqa: PLC0415

    try:
        with path.open(encoding="utf-8") as stream:
            lines = list(parse_stream(stream))
        for part in lines:
            if part.error:
                at = part.original.line
                raise SettingsError(f"{path}:{at}: expected NAME=value, or # and a remark")
        _require_one_each([(part.key, _line(part.original)) for part in lines], path)
        return dotenv_values(path)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error


def _line(found: Original) -> int:
    """The line of a setting; the blank lines above it count as a part of it."""
    blank = len(found.string) - len(found.string.lstrip())
    return found.line + found.string.count("\n", 0, blank)


def _require_one_each(names: Iterable[tuple[str | None, int]], path: Path) -> None:
    """Raise SettingsError where a setting of ours stands twice: one of the two would be ignored."""
    first: dict[str, int] = {}
    for name, line in names:
        if name is None or not (name.startswith("BROADCAST_") or name in TELEGRAM_NAMES):
            continue
        if name in first:
            told = f"{name} stands in line {first[name]} already: leave one of them out"
            raise SettingsError(f"{path}:{line}: {told}; nothing was sent")
        first[name] = line


def _require_filled(values: Mapping[str, str | None], place: str) -> None:
    for name, value in values.items():
        if (name.startswith("BROADCAST_") or name in TELEGRAM_NAMES) and not (value or "").strip():
            raise SettingsError(
                f"{name} is set in {place}, and empty: give it a value, or remove it; "
                "nothing was sent"
            )


def _require_known(
    names: Iterable[str], missing: Collection[str], options: Collection[str] | None, place: str
) -> None:
    for name in names:
        if name in TELEGRAM_NAMES or name in (options or ()):
            continue
        close = _meant(name, missing, options or ())
        if close is not None or (name.startswith("BROADCAST_") and options is not None):
            meant = f"did you mean {close}?" if close else "there is none of that name: remove it"
            raise SettingsError(f"{name} in {place} is not a setting, {meant} Nothing was sent")


def _meant(name: str, missing: Collection[str], options: Collection[str]) -> str | None:
    """The setting that was most likely meant by `name`, which is none.

    TELEGRAM_ belongs to other programs, too: there only a near miss of what is not set counts.
    """
    spelled = name.replace("-", "_").upper()
    if spelled in {*missing, *options}:
        return spelled
    prefix, _, rest = name.partition("_")
    if prefix == "TELEGRAM":
        near = {each.partition("_")[2]: each for each in missing}
        return next((near[each] for each in get_close_matches(rest, near, 1, NEAR_MISS)), None)
    if prefix == "BROADCAST":
        return next(iter(get_close_matches(name, options, 1, 0.8)), None)
    whole = f"BROADCAST_{rest}"
    is_near = whole in options and get_close_matches(prefix, ["BROADCAST"], 1, NEAR_MISS)
    return whole if is_near else None


def user_path(text: str) -> Path:
    """The path that `text` names, where ~ is a home; SettingsError when there is no such user."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise SettingsError(
            f"{text}: there is no such user, so that ~ names no directory"
        ) from error


def load_settings(
    values: Mapping[str, str], *, home: str | None = None, options: Collection[str] = ()
) -> Settings:
    """Make the settings from `values` (see `read_environment`); SettingsError names what is wrong.

    `home` is the option of the command line, which goes before BROADCAST_HOME. `options` are those
    of `values` that stand on the command line: an error calls them `--server`, and not
    TELEGRAM_SERVER.
    """
    from platformdirs import user_config_path, user_data_path  # noqa: PLC0415 - as above

    _require_filled(values, "the settings")

    chosen = home or values.get("BROADCAST_HOME")
    credentials, missing = _credentials(values)
    return Settings(
        home=user_path(chosen) if chosen else user_data_path("broadcast"),
        config_dir=user_config_path("broadcast"),
        credentials=credentials,
        missing=missing,
        session=values.get("TELEGRAM_SESSION"),
        server=_server(values, options),
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


def _server(values: Mapping[str, str], options: Collection[str]) -> Server | None:
    text, key_file = values.get("TELEGRAM_SERVER"), values.get("TELEGRAM_SERVER_KEY")
    if not text:
        if key_file:
            key, server = (_called(name, options) for name in ("SERVER_KEY", "SERVER"))
            raise SettingsError(f"{key} is set, but {server} is not: a key is for another server")
        return None
    found = _SERVER.fullmatch(TEST_SERVER if text == "test" else text.strip())
    if not found or not 0 < int(found["port"]) < 2**16:
        raise SettingsError(
            f"{_called('SERVER', options, text)}: expected host:port, dc@host:port, or the word "
            "test, such as 127.0.0.1:4430"
        )
    key = key_file and _server_key(user_path(key_file), _called("SERVER_KEY", options, key_file))
    return Server(found["host"].strip("[]"), int(found["port"]), int(found["dc"] or 2), key or None)


def _called(name: str, options: Collection[str], value: str | None = None) -> str:
    """A setting of Telegram as the person wrote it: the option, or the variable."""
    if f"TELEGRAM_{name}" in options:
        said, between = f"--{name.lower().replace('_', '-')}", " "
    else:
        said, between = f"TELEGRAM_{name}", "="
    return said if value is None else f"{said}{between}{value}"


def _server_key(path: Path, said: str) -> str:
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{said}: cannot be read: {error}") from error
    if "-----BEGIN RSA PUBLIC KEY-----" not in text:
        raise SettingsError(
            f"{said}: not an RSA public key in PKCS#1 form, whose first line "
            "is -----BEGIN RSA PUBLIC KEY-----; convert another form with "
            "`openssl rsa -pubin -in FILE -RSAPublicKey_out`"
        )
    return text
