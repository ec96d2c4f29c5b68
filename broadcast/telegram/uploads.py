"""Uploads each file once per account, and keeps where it is; it sends no message.

messages.uploadMedia stores a file and answers an id, an access hash and a file reference, which
every later message takes instead of the bytes (https://core.telegram.org/api/files). References
expire (https://core.telegram.org/api/file-references): a new one comes with any message that
carries the file; without such a message the file is uploaded again.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import closing
from dataclasses import dataclass, replace
from hashlib import md5, sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from telethon import errors, utils
from telethon.tl import functions, types

from broadcast.core.classify import classify
from broadcast.core.errors import MessageError
from broadcast.core.model import Attachment, Failed, Halted, Media
from broadcast.message.files import require_allowed, require_unchanged
from broadcast.telegram.error_translation import UnreadableAnswerError, telegram_error
from broadcast.telegram.kept import Kept

if TYPE_CHECKING:
    from collections.abc import Callable

    from broadcast.core.model import Account, Outcome
    from broadcast.telegram.addresses import Address, Call

PART = 512 * 1024
"""Bytes of one part, the greatest: https://core.telegram.org/api/files#uploading-files"""

SMALL = 10 * 2**20
"""Bytes up to which a file is small, and its MD5 is sent: ibid."""

AT_ONCE = 4  # parts under way

EXPIRED = ("FILE_REFERENCE_", "MEDIA_EMPTY", "MEDIA_INVALID", "FILE_ID_INVALID", "DOCUMENT_INVALID")
"""How errors begin that a file which was uploaded earlier can cause by itself."""


class RefusedError(Exception):
    """Telegram does not take the file; `outcome` says so of every recipient."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Stored:
    """Where Telegram has a file; and a message that was seen to carry it, once there is one."""

    kind: str  # photo or document
    id: int
    access_hash: int
    reference: bytes
    seen_kind: str | None = None
    seen_id: int = 0
    seen_hash: int = 0
    seen_message: int = 0

    def input_media(self, *, spoiler: bool) -> Any:
        """The file as messages take it."""
        if self.kind == "photo":
            photo = types.InputPhoto(self.id, self.access_hash, self.reference)
            return types.InputMediaPhoto(photo, spoiler=spoiler or None)
        document = types.InputDocument(self.id, self.access_hash, self.reference)
        return types.InputMediaDocument(document, spoiler=spoiler or None)


class UploadCache(Kept[Stored]):
    """What is stored, on disk, by account and content. It is in the same file as the addresses."""

    table, key, value = "upload", "content", Stored


class Uploads:
    """The files of one account. `call` makes one request, `told` hears of progress."""

    def __init__(
        self,
        call: Call,
        account: Account,
        cache: UploadCache | None,
        told: Callable[[Attachment, int], None],
    ) -> None:
        self._call, self._account, self._cache, self._told = call, account.id, cache, told
        self._is_premium = account.is_premium
        self._stored: dict[str, Stored] = {}
        # Upload id, and the parts that arrived, each with the SHA-256 of what was sent.
        self._under_way: dict[str, tuple[int, dict[int, bytes]]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def stored(self, file: Attachment) -> Stored:
        """Where Telegram has `file`, uploaded first if it is new. One upload serves everybody.

        Raises RefusedError, MessageError when the file is not what it was, and what `call` raises.
        """
        content = _content(file)
        found = self._stored.get(content)
        if found is None:
            async with self._locks.setdefault(content, asyncio.Lock()):
                found = self._stored.get(content)
                if found is None:
                    found = self._stored[content] = await self._find(file, content)
        return found

    def seen(self, file: Attachment, stored: Stored, address: Address, message: int) -> None:
        """A message carries `file`: it tells a new reference when this one has expired."""
        content = _content(file)
        if stored.seen_kind is None and self._stored.get(content) is stored:
            told = replace(
                stored,
                seen_kind=address.kind,
                seen_id=address.id,
                seen_hash=address.access_hash,
                seen_message=message,
            )
            self._keep(content, told)

    async def renew(self, file: Attachment, stored: Stored) -> None:
        """`stored` was refused. Whoever asks next gets another reference, or a new upload."""
        content = _content(file)
        async with self._locks.setdefault(content, asyncio.Lock()):
            now = self._stored.get(content)
            if now is None or (now.id, now.reference) != (stored.id, stored.reference):
                return  # somebody else has done it
            del self._stored[content]
            self._keep(content, await self._with_new_reference(now))

    def _keep(self, content: str, stored: Stored | None) -> None:
        if stored is not None:
            self._stored[content] = stored
        if self._cache is not None:
            if stored is None:
                self._cache.forget(self._account, content)
            else:
                self._cache.put(self._account, content, stored)

    async def _find(self, file: Attachment, content: str) -> Stored:
        require_allowed(file, is_premium=self._is_premium)
        kept = self._cache and self._cache.get(self._account, content)
        require_unchanged(file, may_be_gone=kept is not None)
        if kept is not None:
            return kept
        try:
            stored = await self._upload(file, content)
        except errors.RPCError as error:
            self._under_way.pop(content, None)
            outcome = classify(telegram_error(error))
            match outcome:
                case Failed(name, told) | Halted(name, told, resumable=False):
                    reason = f"Telegram does not take {Path(file.path).name}: {told}"
                    outcome = Halted(name, reason, resumable=False)
                case _:
                    pass
            raise RefusedError(outcome) from error
        except UnreadableAnswerError as error:
            reason = f"{Path(file.path).name} was uploaded, but where to is not known: {error}"
            raise RefusedError(Halted(error.code, reason)) from None
        self._keep(content, stored)
        return stored

    async def _upload(self, file: Attachment, content: str) -> Stored:
        handle = await self._send_parts(file, content)
        thumbnail = None
        if file.thumbnail is not None:
            require_unchanged(file.thumbnail)
            thumbnail = await self._send_parts(file.thumbnail, f"thumbnail of {content}")
        request = functions.messages.UploadMediaRequest(
            peer=types.InputPeerSelf(), media=_uploaded(file, handle, thumbnail)
        )
        media = await self._call(request)
        for key in (content, f"thumbnail of {content}"):
            self._under_way.pop(key, None)
        kind = "photo" if isinstance(media, types.MessageMediaPhoto) else "document"
        it = getattr(media, kind)
        return Stored(kind, it.id, it.access_hash, it.file_reference)

    async def _send_parts(self, file: Attachment, key: str) -> Any:
        """Send what has not arrived yet, some parts at once: a lost connection costs a part."""
        number, done = self._under_way.setdefault(key, (secrets.randbits(63), {}))
        total = -(-file.size // PART)
        is_small = file.size <= SMALL
        with closing(_opened(file)) as stream:
            left = iter([index for index in range(total) if index not in done])

            async def send() -> None:
                for index in left:
                    data = _read(stream, index)
                    if len(data) < min(PART, file.size - index * PART):
                        raise self._has_changed(file, key)
                    if is_small:
                        part = functions.upload.SaveFilePartRequest(number, index, data)
                    else:
                        part = functions.upload.SaveBigFilePartRequest(number, index, total, data)
                    await self._call(part)
                    done[index] = sha256(data).digest()
                    self._told(file, min(len(done) * PART, file.size))

            await _together(send, AT_ONCE)
            checksum = self._checked(file, key, stream)
        name = Path(file.path).name
        if is_small:
            return types.InputFile(number, total, name, checksum)
        return types.InputFileBig(number, total, name)

    def _checked(self, file: Attachment, key: str, stream: BinaryIO) -> str:
        """The MD5 of what was sent, which must be what the broadcast was made with.

        Read once more from first to last: the file may have changed while it was being sent.
        """
        parts = self._under_way[key][1]
        whole, checksum = sha256(), md5(usedforsecurity=False)
        same = True
        for index in range(len(parts)):
            data = _read(stream, index)
            whole.update(data)
            checksum.update(data)
            same = same and sha256(data).digest() == parts[index]
        if not same or whole.hexdigest() != file.sha256:
            raise self._has_changed(file, key)
        return checksum.hexdigest()

    def _has_changed(self, file: Attachment, key: str) -> MessageError:
        """What to raise: what has arrived of `file` until now is worth nothing."""
        self._under_way.pop(key, None)
        require_unchanged(file)
        return MessageError(
            f"{file.path}: has changed while it was being sent, and everybody gets the same; "
            "`broadcast resume` goes on; nothing more was sent"
        )

    async def _with_new_reference(self, stored: Stored) -> Stored | None:
        """`stored` with the reference that a message which carries it has now."""
        if stored.seen_kind is None:
            return None
        asked: Any = [types.InputMessageID(stored.seen_message)]
        if stored.seen_kind == "channel":
            channel = types.InputChannel(stored.seen_id, stored.seen_hash)
            request = functions.channels.GetMessagesRequest(channel, asked)
        else:
            request = functions.messages.GetMessagesRequest(asked)
        try:
            answer = await self._call(request)
        except (errors.RPCError, UnreadableAnswerError):
            return None
        for found in answer.messages:
            media = getattr(found, "media", None)
            it = getattr(media, "photo", None) or getattr(media, "document", None)
            if it is not None and it.id == stored.id and it.file_reference != stored.reference:
                return replace(stored, reference=it.file_reference)
        return None


async def _together(work: Callable[[], Any], count: int) -> None:
    """Run `work` so many times at once; the first error ends all, and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(work())
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from several


def _opened(file: Attachment) -> BinaryIO:
    return Path(file.path).open("rb")


def _read(stream: BinaryIO, index: int) -> bytes:
    stream.seek(index * PART)
    return stream.read(PART)


def _content(file: Attachment) -> str:
    """The same for the same bytes, shown the same way."""
    thumbnail = file.thumbnail.sha256 if file.thumbnail else ""
    return f"{file.sha256} {file.media} {thumbnail} {Path(file.path).name}"


def _uploaded(file: Attachment, handle: Any, thumbnail: Any) -> Any:
    """Uploaded parts as the media that they are to be."""
    if file.media is Media.PHOTO:
        return types.InputMediaUploadedPhoto(handle)
    attributes: Any
    attributes, mime_type = utils.get_attributes(
        file.path,
        force_document=file.media is Media.DOCUMENT,
        voice_note=file.media is Media.VOICE,
        supports_streaming=file.media is Media.VIDEO,
    )
    if file.media is Media.AUDIO:  # without it a player is not shown; Telegram finds the length
        attributes = [*attributes, types.DocumentAttributeAudio(0, title=Path(file.path).stem)]
    return types.InputMediaUploadedDocument(
        handle,
        mime_type,
        attributes,
        thumb=thumbnail,
        force_file=file.media is Media.DOCUMENT or None,
    )
