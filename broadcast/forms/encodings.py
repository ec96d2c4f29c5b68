"""Turns the bytes of a list into UTF-8, whatever program has written them; it guesses nothing."""

from __future__ import annotations

import codecs
import io
from typing import BinaryIO

from broadcast.forms.entries import Unreadable

# Excel's "Unicode text" is UTF-16 with a mark: https://www.unicode.org/faq/utf_bom.html
_MARKS = (
    (codecs.BOM_UTF8, None),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHUNK = 2**16  # bytes


def is_encoding(name: str) -> bool:
    """Whether Python knows an encoding of texts by this name."""
    try:
        codecs.getincrementaldecoder(name)
        b"x".decode(name)
    except UnicodeError:  # there is one, and one byte is no text in it
        return True
    except (LookupError, ValueError):
        return False
    return True


def as_utf8(stream: BinaryIO, encoding: str | None = None) -> BinaryIO:
    """The same text in UTF-8. The mark at its start says how it is encoded, else `encoding`.

    Without either it is passed on as it is. Whoever reads gets Unreadable where the bytes are not
    of that encoding.
    """
    start = stream.read(4)
    known = next((name for mark, name in _MARKS if start.startswith(mark)), encoding)
    return io.BufferedReader(_Utf8(start, stream, known), _CHUNK)


class _Utf8(io.RawIOBase):
    """A stream that has begun with `start`, from `encoding` to UTF-8; None: as it is."""

    def __init__(self, start: bytes, stream: BinaryIO, encoding: str | None) -> None:
        super().__init__()
        self._read, self._made, self._is_over = start, b"", False
        self._stream, self._encoding = stream, encoding
        self._decoder = codecs.getincrementaldecoder(encoding)() if encoding else None
        self._line = 1
        self._utf8, self._maybe_utf8 = codecs.getincrementaldecoder("utf-8")(), True
        self._beyond_ascii = 0  # the line where the text is first more than ASCII

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride] - the name of its argument
        """See `RawIOBase.readinto`."""
        while not self._made and not self._is_over:
            raw = self._read or self._stream.read(_CHUNK)
            self._read, self._is_over = b"", not raw
            self._made = self._recoded(raw)
        size = min(len(buffer), len(self._made))
        buffer[:size], self._made = self._made[:size], self._made[size:]
        return size

    def _recoded(self, raw: bytes) -> bytes:
        if self._decoder is None:
            return raw
        try:
            text = self._decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            line = self._line + error.object[: error.start].count(b"\n")
            wrong = error.object[error.start]
            told = f"not {self._encoding} (the byte 0x{wrong:02X}): is it in another encoding?"
            raise Unreadable(line, told) from None
        except UnicodeError:
            name = self._encoding
            told = f"not {name}, or without the mark at its start: try --encoding {name}-le"
            raise Unreadable(self._line, told) from None
        if self._maybe_utf8:
            self._look_for_utf8(raw, text)
        self._line += text.count("\n")
        return text.encode("utf-8", "surrogatepass")

    def _look_for_utf8(self, raw: bytes, text: str) -> None:
        """Raise Unreadable for UTF-8 that would be read byte by byte, as `JosÃ©`."""
        try:
            self._utf8.decode(raw, final=not raw)
        except UnicodeDecodeError:
            self._maybe_utf8 = False
        if len(text) != len(raw):  # an encoding whose letters have several bytes, as UTF-8's
            self._maybe_utf8 = False
        if not self._maybe_utf8:
            return
        if not self._beyond_ascii and not raw.isascii():
            before = next(place for place, byte in enumerate(raw) if byte > 0x7F)
            self._beyond_ascii = self._line + raw.count(b"\n", 0, before)
        if self._beyond_ascii and (not raw or len(raw) - len(raw.decode("ascii", "ignore")) > 8):
            told = f"this is UTF-8: leave out --encoding {self._encoding}, which would misread it"
            raise Unreadable(self._beyond_ascii, told)
