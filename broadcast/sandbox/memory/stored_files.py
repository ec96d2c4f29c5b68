"""Keeps the bytes that were uploaded, by their sha256; it knows neither messages nor requests.

With a directory everything is in files, written before it is confirmed, so that a killed sandbox
finds it again; without one it is in memory. With one, big files are never in memory as a whole.
"""

from __future__ import annotations

import json
import os
from hashlib import md5, sha256
from typing import TYPE_CHECKING, NamedTuple

from broadcast.disk.private import make_private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Key = tuple[int, int]  # the account, and the id that it has chosen for the upload


class Stored(NamedTuple):
    """A content that is kept: `sha256` and `md5` in hex, `size` in bytes, made of so many parts."""

    sha256: str
    size: int
    md5: str
    parts: int


class StoredFiles:
    """The uploads under way, part by part, and the contents that became of them."""

    def __init__(self) -> None:
        self._home: Path | None = None
        self._sizes: dict[Key, dict[int, int]] = {}
        self._parts: dict[tuple[Key, int], bytes] = {}
        self._done: dict[Key, Stored] = {}
        self._contents: dict[str, bytes] = {}

    def keep_in(self, home: Path) -> None:
        """Keep everything below this directory from now on, and find again what is there."""
        make_private(home)
        make_private(home / "uploads")
        self._home = home

    def put(self, key: Key, part: int, data: bytes) -> None:
        """Keep a part of an upload; one that comes again replaces the first."""
        sizes = self.sizes(key)
        if self._home:
            folder = self._folder(self._home, key)
            folder.mkdir(mode=0o700, exist_ok=True)
            (folder / "done").unlink(missing_ok=True)
            _write(folder / str(part), data)
        else:
            self._parts[key, part] = data
        self._done.pop(key, None)
        sizes[part] = len(data)

    def sizes(self, key: Key) -> dict[int, int]:
        """How many bytes each part of an upload has, of those that are there."""
        sizes = self._sizes.get(key)
        if sizes is None:
            sizes = self._sizes[key] = {}
            folder = self._home and self._folder(self._home, key)
            if folder and folder.is_dir():
                sizes.update(
                    (int(part.name), part.stat().st_size)
                    for part in folder.iterdir()
                    if part.name.isdecimal()
                )
        return sizes

    def done(self, key: Key) -> Stored | None:
        """What became of an upload whose parts were put together."""
        if key not in self._done and self._home:
            try:
                written = (self._folder(self._home, key) / "done").read_text("ascii")
            except OSError:
                return None
            self._done[key] = Stored(*json.loads(written))
        return self._done.get(key)

    def join(self, key: Key, count: int) -> Stored:
        """Put the parts 0 to `count` - 1 of an upload together, and keep the content."""
        strong, weak, size = sha256(), md5(usedforsecurity=False), 0
        joined = self._home and self._folder(self._home, key) / "joined"
        if joined:
            with joined.open("wb") as file:
                for data in self._read_parts(key, count):
                    strong.update(data)
                    weak.update(data)
                    size += file.write(data)
        else:
            whole = b"".join(self._read_parts(key, count))
            strong.update(whole)
            weak.update(whole)
            size = len(whole)
            self._contents[strong.hexdigest()] = whole
        stored = Stored(strong.hexdigest(), size, weak.hexdigest(), count)
        if joined and self._home:
            joined.replace(self._home / stored.sha256)
            _write(joined.with_name("done"), json.dumps(stored).encode())
        self._done[key] = stored
        for part in self._sizes.pop(key, {}):
            if joined:
                joined.with_name(str(part)).unlink(missing_ok=True)
            self._parts.pop((key, part), None)
        return stored

    def add(self, content: bytes) -> Stored:
        """Keep a content that nobody has uploaded."""
        name = sha256(content).hexdigest()
        if self._home:
            _write(self._home / name, content)
        else:
            self._contents[name] = content
        return Stored(name, len(content), md5(content, usedforsecurity=False).hexdigest(), 1)

    def read(self, name: str, offset: int, limit: int) -> bytes:
        """Bytes of the content with this sha256; none beyond its end, or when it is not there."""
        if self._home is None:
            return self._contents.get(name, b"")[offset : offset + limit]
        try:
            with (self._home / name).open("rb") as file:
                file.seek(offset)
                return file.read(limit)
        except FileNotFoundError:
            return b""

    def stored(self) -> list[tuple[str, int]]:
        """The sha256 and the size of every content."""
        if self._home is None:
            return sorted((name, len(content)) for name, content in self._contents.items())
        files = (path for path in self._home.iterdir() if path.is_file() and len(path.name) == 64)
        return sorted((path.name, path.stat().st_size) for path in files)

    def _read_parts(self, key: Key, count: int) -> Iterator[bytes]:
        for part in range(count):
            if self._home:
                yield (self._folder(self._home, key) / str(part)).read_bytes()
            else:
                yield self._parts[key, part]

    def _folder(self, home: Path, key: Key) -> Path:
        account, upload = key
        return home / "uploads" / f"{account}_{upload}"


def _write(path: Path, data: bytes) -> None:
    """Write a file so that a killed process leaves all of it, or no file with that name."""
    torn = path.with_name(f"{path.name}.torn")
    descriptor = os.open(torn, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    torn.replace(path)
