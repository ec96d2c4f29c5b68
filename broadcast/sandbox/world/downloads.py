"""Lets clients download files: upload.getFile."""

# Telethon ships no stubs; pyright reads its source.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import TYPE_CHECKING

from telethon.tl import functions, types

from broadcast.sandbox.world.media import file_at, image_type
from broadcast.sandbox.world.rpc_error import RpcError

if TYPE_CHECKING:
    from broadcast.sandbox.memory.member import Account
    from broadcast.sandbox.memory.state import State

_MEGABYTE = 1_048_576
_ALIGNMENT = 4096
_PRECISE_ALIGNMENT = 1024


def get_file(
    state: State, account: Account, request: functions.upload.GetFileRequest, now: float
) -> types.upload.File:
    """upload.getFile, by https://core.telegram.org/api/files#downloading-files.

    A photo has one size, the content as it was uploaded: Telegram makes smaller ones.
    """
    location, offset, limit = request.location, request.offset, request.limit
    step = _PRECISE_ALIGNMENT if request.precise else _ALIGNMENT
    if not 0 < limit <= _MEGABYTE or limit % step or (not request.precise and _MEGABYTE % limit):
        raise RpcError(400, "LIMIT_INVALID")
    if offset < 0 or offset % step or offset // _MEGABYTE != (offset + limit - 1) // _MEGABYTE:
        raise RpcError(400, "OFFSET_INVALID")
    if not isinstance(location, types.InputPhotoFileLocation | types.InputDocumentFileLocation):
        raise RpcError(400, "LOCATION_INVALID")
    number = file_at(state, account, location, now, invalid="LOCATION_INVALID")
    file = state.files[number]
    is_thumb = isinstance(location, types.InputDocumentFileLocation) and location.thumb_size
    name = file.thumb if is_thumb else file.sha256
    data = state.contents.read(name, offset, limit)
    kind = image_type(state.contents.read(name, 0, 16)) or types.storage.FileUnknown
    return types.upload.File(kind(), int(file.date), data)
