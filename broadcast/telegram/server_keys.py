"""Which servers' keys are trusted beside Telegram's own, and only while an account needs them."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from telethon.crypto import rsa

from broadcast.core.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Generator

_uses: Counter[int] = Counter()  # of each key, by its fingerprint


@contextmanager
def trusted(pem: str) -> Generator[None]:
    """Trust the key `pem`, a PKCS#1 `RSA PUBLIC KEY`, until the last who asked for it is done.

    Telethon keeps such keys for the whole process: one that stayed would let whoever has its
    private half, and for the sandbox that is everybody, pass for Telegram. Raises SettingsError.
    """
    try:
        key = rsa.rsa.PublicKey.load_pkcs1(pem.encode("ascii"))
    except Exception as error:  # PEM, base64 and ASN.1 have each their own
        raise SettingsError(
            "TELEGRAM_SERVER_KEY: the file is not a valid RSA public key"
        ) from error
    fingerprint = rsa._compute_fingerprint(key)  # noqa: SLF001 - its key in that dictionary
    was_there = fingerprint in rsa._server_keys and not _uses[fingerprint]  # noqa: SLF001
    if was_there:  # it is one of Telegram's own, and stays
        yield
        return
    rsa.add_key(pem, old=False)
    _uses[fingerprint] += 1
    try:
        yield
    finally:
        _uses[fingerprint] -= 1
        if not _uses[fingerprint]:
            del _uses[fingerprint]
            rsa._server_keys.pop(fingerprint, None)  # noqa: SLF001
