"""A file that Telegram does not take: which one it is, and that it is wrong for everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from telethon import errors
from telethon.tl import functions

from broadcast.core.model import Account, Halted
from broadcast.message.files import look_from
from broadcast.telegram.uploads import RefusedError, Uploads
from tests.pictures import png

if TYPE_CHECKING:
    from pathlib import Path

ANA = Account(1, is_bot=False, name="Ana")


@pytest.mark.parametrize(
    ("error", "is_for_good"),
    [
        (errors.PhotoInvalidDimensionsError, True),
        (errors.ImageProcessFailedError, True),
        (errors.ChatWriteForbiddenError, True),
        (errors.PeerFloodError, False),
    ],
)
async def test_the_file_that_is_refused_is_named(
    tmp_path: Path, error: type[errors.RPCError], *, is_for_good: bool
) -> None:
    async def call(request: Any) -> Any:
        if isinstance(request, functions.messages.UploadMediaRequest):
            raise error(request)  # pyright: ignore[reportCallIssue]
        return True

    (tmp_path / "car.png").write_bytes(png())
    uploads = Uploads(call, ANA, None, lambda _file, _done: None)
    with pytest.raises(RefusedError) as caught:
        await uploads.stored(look_from(tmp_path)("car.png", as_document=False))
    outcome = caught.value.outcome
    assert isinstance(outcome, Halted)
    assert outcome.resumable is not is_for_good
    assert outcome.reason.startswith("Telegram does not take car.png: ") is is_for_good
