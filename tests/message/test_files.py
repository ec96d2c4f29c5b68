"""What Telegram would refuse of a file, or show as something else, is found before it is sent."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.core.model import Media
from broadcast.message.contents import content_of
from broadcast.message.files import look_from
from broadcast.message.schema import ContentError
from tests.pictures import jpeg, mp4, png, webp

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WEBM = b"\x1aE\xdf\xa3" + bytes(40)
OGG = b"OggS" + bytes(40)
WAV = b"RIFF" + struct.pack("<I", 36) + b"WAVEfmt " + bytes(28)
PICTURES = {".jpg": jpeg, ".png": png, ".webp": webp}
REAL = {
    ".jpg": jpeg(), ".jpeg": jpeg(), ".png": png(), ".webp": webp(), ".mp4": mp4(),
    ".mov": mp4(b"qt  "), ".m4v": mp4(b"M4V "), ".webm": WEBM, ".m4a": mp4(b"M4A "),
    ".mp3": b"ID3" + bytes(40), ".flac": b"fLaC" + bytes(40), ".wav": WAV, ".ogg": OGG,
    ".opus": OGG, ".aac": b"\xff\xf1" + bytes(40),
}  # fmt: skip
OTHER = {
    "HEIC": b"\0\0\0\x18ftypheic" + bytes(40), "AVIF": b"\0\0\0\x18ftypavif" + bytes(40),
    "PDF": b"%PDF-1.7\n" + bytes(40), "GIF": b"GIF89a" + bytes(40), "ZIP": b"PK\3\4" + bytes(40),
    "HTML": b"\n<!DOCTYPE html><html></html>", "XML": b"<?xml version='1.0'?><svg/>",
    "TIFF": b"II*\0" + bytes(40), "BMP": b"BM" + bytes(40), "AVI": b"RIFF0000AVI LIST",
}  # fmt: skip
SAME = ({".jpg", ".jpeg"}, {".mp4", ".mov", ".m4v", ".m4a", ".aac"}, {".ogg", ".opus"},
        {".mp3", ".flac", ".aac"})  # fmt: skip


def look(path: Path, content: bytes, **given: bool) -> Media:
    path.write_bytes(content)
    found = look_from(path.parent)(path.name, **({"as_document": False} | given))
    assert found.size == len(content)
    return found.media


def refused(path: Path, content: bytes, **given: bool) -> str:
    with pytest.raises(ContentError) as caught:
        look(path, content, **given)
    assert look(path, content, as_document=True) is Media.DOCUMENT
    return str(caught.value)


@pytest.mark.parametrize("suffix", REAL)
def test_a_file_that_is_what_it_is_called_is_sent(tmp_path: Path, suffix: str) -> None:
    assert look(tmp_path / f"a{suffix}", REAL[suffix]) is not Media.DOCUMENT
    assert look(tmp_path / f"A{suffix.upper()}", REAL[suffix]) is not Media.DOCUMENT


@pytest.mark.parametrize("suffix", REAL)
def test_a_file_under_the_name_of_another_kind_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    for kind, content in OTHER.items():
        told = refused(path, content)
        assert f"is named {suffix}, but is {kind}" in told
        assert "as_document" in told
    for other, content in REAL.items():
        if other not in {suffix, ".aac"} and not any({suffix, other} <= each for each in SAME):
            assert f"is named {suffix}, but is " in refused(path, content)


def test_a_picture_or_a_film_is_known_by_its_bytes_alone(tmp_path: Path) -> None:
    assert "not such a picture" in refused(tmp_path / "a.jpg", b"a picture")
    assert "not such a video" in refused(tmp_path / "a.mp4", b"a video")
    assert look(tmp_path / "a.mp3", b"a song of a form that is not known") is Media.AUDIO


@pytest.mark.parametrize("suffix", PICTURES)
@pytest.mark.parametrize(
    ("width", "height", "told"),
    [
        (9_500, 500, ""),
        (500, 9_500, ""),
        (9_500, 501, "this one has 9,500 x 501. Make it smaller"),
        (5_000, 5_001, "this one has 5,000 x 5,001. Make it smaller"),
        (200, 10, ""),
        (10, 200, ""),
        (1, 1, ""),
        (201, 10, "this one has 201 x 10. Crop it"),
        (10, 201, "this one has 10 x 201. Crop it"),
    ],
)
def test_a_photo_has_the_sides_that_telegram_takes(
    tmp_path: Path, suffix: str, width: int, height: int, told: str
) -> None:
    path, content = tmp_path / f"a{suffix}", PICTURES[suffix](width, height)
    if told:
        found = refused(path, content)
        assert told in found
        assert "as_document" in found
    else:
        assert look(path, content) is Media.PHOTO


@given(st.sampled_from(sorted(PICTURES)), st.integers(1, 12_000), st.integers(1, 12_000))
def test_any_picture_says_how_large_it_is(suffix: str, width: int, height: int) -> None:
    made: Callable[[int, int], bytes] = PICTURES[suffix]
    if suffix == ".png":  # the sides are in its head; so many pixels would take too long
        small = made(1, 1)
        content = small[:16] + struct.pack(">II", width, height) + small[24:]
    else:
        content = made(width, height)
    found = content_of(BytesIO(content), len(content))
    assert (found.width, found.height, found.has_end) == (width, height, True)


@pytest.mark.parametrize("suffix", [*PICTURES, ".mp4"])
def test_a_file_that_was_cut_off_is_refused_wherever_it_was(tmp_path: Path, suffix: str) -> None:
    whole = REAL[suffix]
    for end in range(1, len(whole)):
        assert "Fix the file" in refused(tmp_path / f"a{suffix}", whole[:end])
    told = refused(tmp_path / f"a{suffix}", whole[:-1])
    assert "the end of it is missing" in told


@pytest.mark.parametrize("suffix", [*PICTURES, ".mp4"])
def test_what_a_phone_appends_is_no_fault(tmp_path: Path, suffix: str) -> None:
    assert look(tmp_path / f"a{suffix}", REAL[suffix] + b"\0\0\0\x40MotionPhoto_Data" + bytes(9))


def test_a_long_film_says_so_in_eight_bytes(tmp_path: Path) -> None:
    film = mp4() + struct.pack(">I4sQ", 1, b"mdat", 16 + 5) + b"12345"
    assert look(tmp_path / "a.mp4", film) is Media.VIDEO
    assert look(tmp_path / "a.mp4", film + struct.pack(">I4s", 0, b"free") + b"12") is Media.VIDEO
    assert "the end of it is missing" in refused(tmp_path / "a.mp4", film[:-1])
    without_index = mp4()[: -(16 + 8)]
    assert "the end of it is missing" in refused(tmp_path / "a.mp4", without_index)


@given(
    st.sampled_from([*REAL.values(), *OTHER.values()]),
    st.lists(st.tuples(st.integers(0, 200), st.binary(max_size=4)), max_size=4),
)
def test_whatever_is_in_a_file_it_is_read(content: bytes, changes: list[tuple[int, bytes]]) -> None:
    for at, instead in changes:
        content = content[:at] + instead + content[at + len(instead) :]
    found = content_of(BytesIO(content), len(content))
    assert found.width >= 0
    assert found.height >= 0


def test_a_thumbnail_is_a_small_jpeg(tmp_path: Path) -> None:
    path = tmp_path / "small.jpg"
    assert look(path, jpeg(320, 320), is_thumbnail=True)
    assert "320 x 320 pixels; this one has 0 kB and 321 x 320" in refused(
        path, jpeg(321, 320), is_thumbnail=True
    )
    big = jpeg(320, 320) + bytes(200_000)
    assert "less than 200 kB" in refused(path, big, is_thumbnail=True)
    for content in (png(), jpeg()[:-1], b"no picture"):
        assert "is not a JPEG picture" in refused(path, content, is_thumbnail=True)
