"""Answers what is no message, though it is text: a contact list, settings, a secret, a file's name.

It opens no file.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import PurePath

from broadcast.core.errors import MessageError

_LISTS = frozenset({".csv", ".jsonl", ".ndjson", ".tsv", ".yaml", ".yml"})
_MESSAGES = frozenset({".htm", ".html", ".j2", ".md", ".txt"})
_OTHERS = frozenset({".env", ".json", ".pem", ".rtf", ".session", ".sqlite", ".toml", ".xml"})

_LIST = re.compile(
    r"\s*(?:contacts:[ \t]*(?:#.*)?\n(?:[ \t]*(?:#.*)?\n)*[ \t]*-[ \t]"  # YAML
    r"|\{[ \t]*\"peer\"[ \t]*:"  # JSON Lines
    r"|(?:\"?\w+\"?[,;\t|])*\"?peer\"?(?:[,;\t|]\"?\w+\"?)+[ \t]*\n)",  # CSV
    re.IGNORECASE,
)
_SECRET = re.compile(
    r"\bTELEGRAM_API_HASH[ \t]*=[ \t]*[\"']?[0-9a-f]{32}\b|(?<![\w-])\d{8,10}:[\w-]{35}(?![\w-])",
    re.ASCII,
)
"""A `.env`, and what @BotFather writes: https://core.telegram.org/bots/api#authorizing-your-bot"""

_PEER = re.compile(r"@[A-Za-z0-9_]+|\+[0-9][0-9 ().-]{5,}")
_FILES = re.compile(
    r"(?!\w+://)\S+\.(?:csv|docx?|env|gif|html?|j2|jpe?g|jsonl?|md|mp[34]|pdf|png|rtf|txt|webp"
    r"|xlsx?|ya?ml)",
    re.IGNORECASE,
)


def require_message_file(name: str) -> None:
    """Raise MessageError when the name of a message file is that of something else."""
    path = PurePath(name)
    suffix = path.name.lower() if path.name.lower().startswith(".env") else path.suffix.lower()
    if suffix in _LISTS:
        what = "a contact list, which is given with --contacts,"
    elif suffix in _OTHERS or suffix.startswith(".env"):
        what = "something else"
    else:
        return
    raise MessageError(
        f"{name}: a file that ends in {suffix} is {what} and no message; nothing was sent. A "
        f"message file ends in .md, .html, .txt or .j2. To send the file itself: --file {name}; "
        f"if it is the text: broadcast - < {name}"
    )


@lru_cache(maxsize=64)
def require_no_private_text(text: str) -> None:
    """Raise MessageError when `text`, which goes out, is a contact list, or has a secret in it."""
    if _LIST.match(text):
        raise MessageError(
            "this is a contact list, and everybody would read it; nothing was sent. A list is "
            "given with --contacts"
        )
    if _SECRET.search(text):
        raise MessageError(
            "the text has the token of a bot or the api_hash of an account in it, and whoever "
            "reads it could act as that one; nothing was sent. Leave it out"
        )


def is_file_name(word: str) -> bool:
    """Whether a text of one word is how files are called: `news.md`, and not `e.org`."""
    return _FILES.fullmatch(word) is not None


def option_for(word: str) -> tuple[str, str] | None:
    """What a word that names a file or somebody is, in a sentence, and the option that takes it."""
    if _PEER.fullmatch(word):
        return "who gets it", "--to"
    if not is_file_name(word):
        return None
    suffix = PurePath(word).suffix.lower()
    if suffix in _LISTS:
        return "the list", "--contacts"
    if suffix in _MESSAGES:
        return "the message", "--message-file"
    return "to be sent", "--file"


def is_peer_name(word: str) -> bool:
    """Whether a text of one word is how somebody is named: `@ana`, `+34600000001`."""
    return _PEER.fullmatch(word) is not None
