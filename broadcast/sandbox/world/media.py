"""Makes photos and documents of what was uploaded, and shows them; it sends none.

Telegram encodes photos again; here they stay as they were uploaded, so that the hash stays, too.
"""

# Telethon's annotations name unions that pyright cannot see into, inside invariant lists.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportArgumentType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from telethon.extensions import BinaryReader
from telethon.tl import functions, types

from broadcast.sandbox.memory.message_body import File
from broadcast.sandbox.people.phonebook import access_hash
from broadcast.sandbox.world import file_parts
from broadcast.sandbox.world.configuration import DC_ID
from broadcast.sandbox.world.input_peers import address
from broadcast.sandbox.world.picture_sides import require_sides
from broadcast.sandbox.world.rpc_error import RpcError

if TYPE_CHECKING:
    from broadcast.sandbox.memory.member import Account
    from broadcast.sandbox.memory.state import State
    from broadcast.sandbox.memory.stored_files import Stored

MessageMedia = types.MessageMediaPhoto | types.MessageMediaDocument
Picture = (
    types.storage.FileJpeg | types.storage.FilePng | types.storage.FileGif | types.storage.FileWebp
)
_Uploaded = types.InputMediaUploadedPhoto | types.InputMediaUploadedDocument
_Location = (
    types.InputPhoto
    | types.InputDocument
    | types.InputPhotoFileLocation
    | types.InputDocumentFileLocation
)

_FIRST_ID = 5_000_000_000_000_000_000  # of files: plus their number in State
_MAC_BYTES = 8

_ALBUM_KINDS = {"photo": "visual", "video": "visual", "audio": "audio", "document": "document"}

_MAGIC = (
    (b"\xff\xd8\xff", types.storage.FileJpeg),
    (b"\x89PNG\r\n\x1a\n", types.storage.FilePng),
    (b"GIF8", types.storage.FileGif),
)


class Prepared(NamedTuple):
    """What is to be sent: a file that is not known yet, or the number of one that is."""

    file: File
    number: int | None
    spoiler: bool


def upload_media(
    state: State, account: Account, request: functions.messages.UploadMediaRequest, now: float
) -> MessageMedia:
    """messages.uploadMedia: makes a file ready to be sent, and sends it to nobody."""
    address(account, request.peer)
    prepared = prepare(state, account, request.media, now)
    number = prepared.number
    if number is None:
        number = state.add_file(prepared.file)
    return media_of(state, account, number, spoiler=prepared.spoiler)


def prepare(state: State, account: Account, media: object, now: float) -> Prepared:
    """The file of an input media. Raises RpcError; nothing is stored yet."""
    match media:
        case types.InputMediaUploadedPhoto():
            return Prepared(_photo(state, account, media, now), None, bool(media.spoiler))
        case types.InputMediaUploadedDocument():
            return Prepared(_document(state, account, media, now), None, bool(media.spoiler))
        case types.InputMediaPhoto() | types.InputMediaDocument():
            if media.ttl_seconds:
                raise RpcError(400, "TTL_MEDIA_INVALID")
            if not isinstance(media.id, types.InputPhoto | types.InputDocument):
                raise RpcError(400, "MEDIA_EMPTY")
            number = file_at(state, account, media.id, now, invalid="MEDIA_EMPTY")
            return Prepared(state.files[number], number, bool(media.spoiler))
        case types.InputMediaEmpty():
            raise RpcError(400, "MEDIA_EMPTY")
        case _:
            raise RpcError(400, "MEDIA_INVALID")


def file_at(
    state: State, account: Account, location: _Location, now: float, *, invalid: str
) -> int:
    """The number of the file that a client names. Raises RpcError `invalid` when there is none.

    A reference that is out of date is FILE_REFERENCE_EXPIRED, as is one that never was:
    https://core.telegram.org/api/file-references. A fresh one comes with every message.
    """
    number = location.id - _FIRST_ID
    if not 0 <= number < len(state.files) or location.access_hash != access_hash(
        account.id, location.id
    ):
        raise RpcError(400, invalid)
    is_photo = isinstance(location, types.InputPhoto | types.InputPhotoFileLocation)
    if is_photo != (state.files[number].kind == "photo"):
        raise RpcError(400, invalid)
    if not location.file_reference:
        raise RpcError(400, "FILE_REFERENCE_EMPTY")
    issued = int.from_bytes(location.file_reference[:8], "little")
    lives = state.limits.file_reference_seconds
    if location.file_reference != _reference(account, location.id, issued) or (
        lives is not None and now - issued > lives
    ):
        raise RpcError(400, "FILE_REFERENCE_EXPIRED")
    return number


def media_of(state: State, account: Account, number: int, *, spoiler: bool) -> MessageMedia:
    """A file as the account sees it, with a reference that is fresh."""
    file, file_id = state.files[number], _FIRST_ID + number
    common = {
        "id": file_id,
        "access_hash": access_hash(account.id, file_id),
        "file_reference": _reference(account, file_id, int(state.now)),
        "date": datetime.fromtimestamp(int(file.date), UTC),
        "dc_id": DC_ID,
    }
    if file.kind == "photo":
        sizes: list[types.TypePhotoSize] = [types.PhotoSize("x", 800, 600, file.size)]
        return types.MessageMediaPhoto(
            photo=types.Photo(sizes=sizes, **common), spoiler=spoiler or None
        )
    thumbs: list[types.TypePhotoSize] = [types.PhotoSize("m", 320, 320, file.thumb_size)]
    document = types.Document(
        mime_type=file.mime,
        size=file.size,
        attributes=[BinaryReader(attribute).tgread_object() for attribute in file.attributes],
        thumbs=thumbs if file.thumb else None,
        **common,
    )
    return types.MessageMediaDocument(
        document=document,
        spoiler=spoiler or None,
        video=file.kind == "video" or None,
        voice=file.kind == "voice" or None,
    )


def album_kind(file: File) -> str | None:
    """Files of the same kind may be in one album; None: it may be in none."""
    return _ALBUM_KINDS.get(file.kind)


def image_type(start: bytes) -> type[Picture] | None:
    """The format of a picture that begins like this; None if Telegram does not take it."""
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return types.storage.FileWebp
    return next((kind for magic, kind in _MAGIC if start.startswith(magic)), None)


def _photo(
    state: State, account: Account, media: types.InputMediaUploadedPhoto, now: float
) -> File:
    """https://core.telegram.org/method/messages.uploadMedia lists the errors of a photo."""
    stored, name = _stored(state, account, media)
    if stored.size > state.limits.photo_bytes:
        raise RpcError(400, "PHOTO_SAVE_FILE_INVALID")
    picture = image_type(state.contents.read(stored.sha256, 0, 16))
    if picture is None:
        raise RpcError(400, "IMAGE_PROCESS_FAILED")
    require_sides(state.contents.read(stored.sha256, 0, stored.size))
    mime = f"image/{picture.__name__.removeprefix('File').lower()}"
    return File("photo", name, mime, stored.size, stored.sha256, now)


def _document(
    state: State, account: Account, media: types.InputMediaUploadedDocument, now: float
) -> File:
    stored, name = _stored(state, account, media)
    thumb, thumb_size = "", 0
    if isinstance(media.thumb, types.InputFile | types.InputFileBig):
        picture, _ = file_parts.finished(state, account, media.thumb)
        if not image_type(state.contents.read(picture.sha256, 0, 16)):
            raise RpcError(400, "IMAGE_PROCESS_FAILED")
        thumb, thumb_size = picture.sha256, picture.size
    for attribute in media.attributes:
        if isinstance(attribute, types.DocumentAttributeFilename):
            name = attribute.file_name
    return File(
        kind=_kind_of(media),
        name=name,
        mime=media.mime_type or "application/octet-stream",
        size=stored.size,
        sha256=stored.sha256,
        date=now,
        attributes=tuple(bytes(attribute) for attribute in media.attributes),
        thumb=thumb,
        thumb_size=thumb_size,
    )


def _stored(state: State, account: Account, media: _Uploaded) -> tuple[Stored, str]:
    if media.ttl_seconds:
        raise RpcError(400, "TTL_MEDIA_INVALID")
    if not isinstance(media.file, types.InputFile | types.InputFileBig):
        raise RpcError(400, "MEDIA_INVALID")
    return file_parts.finished(state, account, media.file)


def _kind_of(media: types.InputMediaUploadedDocument) -> str:
    """How a client shows it: https://core.telegram.org/type/DocumentAttribute."""
    if media.force_file:
        return "document"
    for attribute in media.attributes:
        match attribute:
            case types.DocumentAttributeAnimated():
                return "animation"
            case types.DocumentAttributeAudio():
                return "voice" if attribute.voice else "audio"
            case _:
                pass
    is_video = any(isinstance(a, types.DocumentAttributeVideo) for a in media.attributes)
    return "video" if is_video and media.mime_type.startswith("video/") else "document"


def _reference(account: Account, file_id: int, issued: int) -> bytes:
    """It contains when it was made, so that nothing must be stored to know whether it is valid."""
    stamp = issued.to_bytes(8, "little")
    key = f"{account.id} {file_id}".encode()
    return stamp + blake2b(stamp, key=key, digest_size=_MAC_BYTES).digest()
