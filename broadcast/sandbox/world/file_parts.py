"""Takes files in parts: upload.save*. world/media.py makes photos and documents of them.

The rules of parts are those of https://core.telegram.org/api/files#uploading-files, the errors
those of the methods' pages. Parts are kept until they are put together, here for ever; Telegram
keeps them "several minutes to several hours".
"""

# Telethon ships no stubs; pyright reads its source.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from telethon.tl import functions, types

from broadcast.sandbox.world.rpc_error import RpcError

if TYPE_CHECKING:
    from broadcast.sandbox.memory.member import Account
    from broadcast.sandbox.memory.state import State
    from broadcast.sandbox.memory.stored_files import Key, Stored

_LARGEST_PART = 524_288
_KILOBYTE = 1024


def save_file_part(
    state: State, account: Account, request: functions.upload.SaveFilePartRequest, _now: float
) -> bool:
    """upload.saveFilePart: the number of parts comes later, with inputFile."""
    _keep(state, account, request.file_id, request.file_part, request.bytes)
    return True


def save_big_file_part(
    state: State, account: Account, request: functions.upload.SaveBigFilePartRequest, _now: float
) -> bool:
    """upload.saveBigFilePart; of a streamed file the number of parts is unknown, -1."""
    total = request.file_total_parts
    if total != -1 and not 1 <= total <= _most_parts(state, account):
        raise RpcError(400, "FILE_PARTS_INVALID")
    if total != -1 and request.file_part >= total:
        raise RpcError(400, "FILE_PART_INVALID")
    if request.file_part < total - 1:
        size = len(request.bytes)
        if 0 < size <= _LARGEST_PART and not _is_part_size(size):
            raise RpcError(400, "FILE_PART_SIZE_INVALID")
        sizes = state.contents.sizes((account.id, request.file_id))
        two = islice(sizes.items(), 2)  # one of them may be the last part, which is smaller
        if any(other != size for part, other in two if part < total - 1):
            raise RpcError(400, "FILE_PART_SIZE_CHANGED")
    _keep(state, account, request.file_id, request.file_part, request.bytes)
    return True


def finished(
    state: State, account: Account, file: types.InputFile | types.InputFileBig
) -> tuple[Stored, str]:
    """The content and the name of a file whose parts have all been uploaded.

    It may be asked for again, by a client that lost the answer. Raises RpcError.
    """
    key: Key = account.id, file.id
    done = state.contents.done(key)
    if done is None or done.parts != file.parts:
        _check_parts(state, account, key, file.parts)
        done = state.contents.join(key, file.parts)
    md5 = file.md5_checksum if isinstance(file, types.InputFile) else ""
    if md5 and md5.lower() != done.md5:
        raise RpcError(400, "MD5_CHECKSUM_INVALID")
    return done, file.name


def _keep(state: State, account: Account, upload: int, part: int, data: bytes) -> None:
    if not data:
        raise RpcError(400, "FILE_PART_EMPTY")
    if len(data) > _LARGEST_PART:
        raise RpcError(400, "FILE_PART_TOO_BIG")
    if not 0 <= part < _most_parts(state, account):
        raise RpcError(400, "FILE_PART_INVALID")
    state.contents.put((account.id, upload), part, data)
    state.count_upload(len(data))


def _check_parts(state: State, account: Account, key: Key, count: int) -> None:
    """All parts must be there, of one size; only the last may be smaller."""
    if not 1 <= count <= _most_parts(state, account):
        raise RpcError(400, "FILE_PARTS_INVALID")
    sizes = state.contents.sizes(key)
    for part in range(count):
        if part not in sizes:
            raise RpcError(400, f"FILE_PART_{part}_MISSING")
    if count > 1 and not _is_part_size(sizes[0]):
        raise RpcError(400, "FILE_PART_SIZE_INVALID")
    if any(sizes[part] != sizes[0] for part in range(count - 1)) or sizes[count - 1] > sizes[0]:
        raise RpcError(400, "FILE_PART_SIZE_INVALID")


def _is_part_size(size: int) -> bool:
    return size % _KILOBYTE == 0 and _LARGEST_PART % size == 0


def _most_parts(state: State, account: Account) -> int:
    limits = state.limits
    return limits.premium_file_parts if account.is_premium else limits.file_parts
