from __future__ import annotations

import os
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon.tl import functions, types

from broadcast.sandbox.world import RpcError
from tests.pictures import gif, jpeg, png, webp
from tests.sandbox.asking import ME, NOW, PNG, bot, free_world, messages_of, user

SaveBig = functions.upload.SaveBigFilePartRequest
Save = functions.upload.SaveFilePartRequest


def upload_media(client, media):
    return client.ask(functions.messages.UploadMediaRequest(ME, media))


def as_document(client, file):
    return upload_media(client, types.InputMediaUploadedDocument(file, "text/plain", []))


def download(client, document, limit=4096, offset=0):
    location = types.InputDocumentFileLocation(
        document.id, document.access_hash, document.file_reference, ""
    )
    return client.ask(functions.upload.GetFileRequest(location, offset, limit)).bytes


@given(st.binary(min_size=1, max_size=10_000), st.sampled_from([1024, 2048, 4096]), st.booleans())
def test_what_was_uploaded_is_kept_and_can_be_downloaded(data, part, is_out_of_order):
    client = user()
    pieces = list(enumerate(data[i : i + part] for i in range(0, len(data), part)))
    for number, piece in reversed(pieces) if is_out_of_order else pieces:
        client.ask(SaveBig(7, number, len(pieces), piece))
    document = as_document(client, types.InputFileBig(7, len(pieces), "a.txt")).document
    got = b"".join(download(client, document, offset=n) for n in range(0, len(data), 4096))
    assert got == data
    assert document.size == len(data)
    digest = sha256(data).hexdigest()
    assert client.world.files() == [(digest, len(data))]
    assert client.world.content(digest) == data
    assert client.world.uploaded == len(data)


def test_every_byte_that_was_accepted_is_counted_the_repeats_too():
    world = free_world()
    client, other = user(world), bot(world)
    client.ask(Save(1, 0, b"12345"))
    client.ask(Save(1, 0, b"12345"))
    other.ask(Save(1, 0, b"123"))
    with pytest.raises(RpcError):
        other.ask(Save(1, 0, b""))
    assert world.uploaded == 13


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        (Save(1, 0, b""), "FILE_PART_EMPTY"),
        (Save(1, 0, bytes(524_289)), "FILE_PART_TOO_BIG"),
        (Save(1, -1, b"x"), "FILE_PART_INVALID"),
        (Save(1, 4000, b"x"), "FILE_PART_INVALID"),
        (SaveBig(1, 0, 4001, b"x"), "FILE_PARTS_INVALID"),
        (SaveBig(1, 0, 0, b"x"), "FILE_PARTS_INVALID"),
        (SaveBig(1, 2, 2, b"x"), "FILE_PART_INVALID"),
        (SaveBig(1, 0, 2, bytes(1000)), "FILE_PART_SIZE_INVALID"),
        (SaveBig(1, 0, 2, bytes(3 * 1024)), "FILE_PART_SIZE_INVALID"),
    ],
)
def test_a_wrong_part_is_refused(request_, name):
    client = user()
    with pytest.raises(RpcError, match=name):
        client.ask(request_)
    assert client.world.uploaded == 0


def test_parts_of_different_sizes_are_refused():
    client = user()
    client.ask(SaveBig(1, 0, 3, bytes(2048)))
    with pytest.raises(RpcError, match="FILE_PART_SIZE_CHANGED"):
        client.ask(SaveBig(1, 1, 3, bytes(1024)))


@pytest.mark.parametrize(
    ("sizes", "parts", "name"),
    [
        ([1024, 10], 3, "FILE_PART_2_MISSING"),
        ([1024], 0, "FILE_PARTS_INVALID"),
        ([1000, 10], 2, "FILE_PART_SIZE_INVALID"),
        ([1024, 2048, 10], 3, "FILE_PART_SIZE_INVALID"),
        ([1024, 2048], 2, "FILE_PART_SIZE_INVALID"),
    ],
)
def test_a_file_whose_parts_do_not_fit_is_refused(sizes, parts, name):
    client = user()
    for number, size in enumerate(sizes):
        client.ask(Save(1, number, bytes(size)))
    with pytest.raises(RpcError, match=name):
        as_document(client, types.InputFile(1, parts, "a", ""))


def test_a_wrong_checksum_is_refused():
    client = user()
    client.ask(Save(1, 0, b"x"))
    with pytest.raises(RpcError, match="MD5_CHECKSUM_INVALID"):
        as_document(client, types.InputFile(1, 1, "a", "0" * 32))


def test_the_parts_of_one_account_are_not_anothers():
    world = free_world()
    user(world).ask(Save(1, 0, b"x"))
    with pytest.raises(RpcError, match="FILE_PART_0_MISSING"):
        as_document(user(world, "+34600000004", key_id=2), types.InputFile(1, 1, "a", ""))


def test_premium_takes_twice_as_many_parts():
    world = free_world(file_parts=2, premium_file_parts=4)
    for phone, most in (("+34600000004", 2), ("+34600000008", 4)):
        client = user(world, phone, key_id=most)
        client.ask(SaveBig(1, 0, most, bytes(1024)))
        with pytest.raises(RpcError, match="FILE_PARTS_INVALID"):
            client.ask(SaveBig(1, 0, most + 1, bytes(1024)))
        (me,) = client.ask(functions.users.GetUsersRequest([types.InputUserSelf()]))
        assert bool(me.premium) is (most == 4)


def test_an_uploaded_file_may_be_named_again_after_a_lost_answer():
    client = user()
    file = client.upload(b"text")
    first, second = as_document(client, file), as_document(client, file)
    assert first.document.id != second.document.id
    assert download(client, first.document) == download(client, second.document) == b"text"
    assert len(client.world.files()) == 1


@pytest.mark.parametrize("data", [b"\xff\xd8\xff1", PNG, b"GIF89a", b"RIFF1234WEBP"])
def test_a_photo_is_what_begins_like_a_picture(data):
    client = user()
    media = upload_media(client, types.InputMediaUploadedPhoto(client.upload(data)))
    assert isinstance(media, types.MessageMediaPhoto)
    location = types.InputPhotoFileLocation(
        media.photo.id, media.photo.access_hash, media.photo.file_reference, "x"
    )
    assert client.ask(functions.upload.GetFileRequest(location, 0, 4096)).bytes == data


def test_what_is_no_picture_is_no_photo():
    client = user(free_world(photo_bytes=100))
    with pytest.raises(RpcError, match="IMAGE_PROCESS_FAILED"):
        client.photo(b"a text")
    with pytest.raises(RpcError, match="PHOTO_SAVE_FILE_INVALID"):
        client.photo(PNG + bytes(100))


@pytest.mark.parametrize("picture", [png, jpeg, webp, gif])
def test_a_photo_has_the_sides_that_telegram_takes(picture):
    client = user()
    for width, height in ((9_990, 10), (10, 9_990), (201, 10), (10, 201), (5_001, 5_000)):
        with pytest.raises(RpcError, match="PHOTO_INVALID_DIMENSIONS"):
            client.photo(picture(width, height))
    for width, height in ((1, 1), (200, 10), (10, 200)):
        client.photo(picture(width, height))
    assert as_document(client, client.upload(picture(201, 10)))


def test_a_thumbnail_is_kept_and_downloaded_apart():
    client = user()
    media = types.InputMediaUploadedDocument(
        client.upload(b"text"), "text/plain", [], thumb=client.upload(PNG)
    )
    document = upload_media(client, media).document
    location = types.InputDocumentFileLocation(
        document.id, document.access_hash, document.file_reference, document.thumbs[0].type
    )
    assert client.ask(functions.upload.GetFileRequest(location, 0, 4096)).bytes == PNG
    assert download(client, document) == b"text"


@pytest.mark.parametrize(
    ("offset", "limit", "name"),
    [
        (0, 0, "LIMIT_INVALID"),
        (0, 1000, "LIMIT_INVALID"),
        (0, 12_288, "LIMIT_INVALID"),
        (0, 2_097_152, "LIMIT_INVALID"),
        (1024, 4096, "OFFSET_INVALID"),
        (-4096, 4096, "OFFSET_INVALID"),
        (4096, 1_048_576, "OFFSET_INVALID"),
    ],
)
def test_a_download_keeps_to_the_rules(offset, limit, name):
    client = user()
    document = as_document(client, client.upload(b"text")).document
    with pytest.raises(RpcError, match=name):
        download(client, document, limit, offset)


def test_a_reference_expires_and_a_message_tells_a_fresh_one():
    client = user(free_world(file_reference_seconds=100))
    ana = client.find("ana")
    media = client.document()
    client.send_media(ana, media, random_id=1)
    client.now += 101
    with pytest.raises(RpcError, match="FILE_REFERENCE_EXPIRED"):
        client.send_media(ana, media, random_id=2)
    got = client.ask(functions.messages.GetMessagesRequest([types.InputMessageID(1)]))
    document = got.messages[0].media.document
    assert document.id == media.id.id
    assert download(client, document) == b"text"
    media.id.file_reference = document.file_reference
    client.send_media(ana, media, random_id=2)
    assert len(list(client.world.inbox())) == 2


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"id": 1}, "MEDIA_EMPTY"),
        ({"access_hash": 1}, "MEDIA_EMPTY"),
        ({"file_reference": b""}, "FILE_REFERENCE_EMPTY"),
        ({"file_reference": b"made up"}, "FILE_REFERENCE_EXPIRED"),
    ],
)
def test_a_file_is_known_by_all_three_of_its_numbers(change, name):
    client = user()
    media = client.document()
    for key, value in change.items():
        setattr(media.id, key, value)
    with pytest.raises(RpcError, match=name):
        client.send_media(ME, media)


def test_an_accounts_reference_is_no_others():
    world = free_world()
    media = user(world).document()
    with pytest.raises(RpcError, match="MEDIA_EMPTY"):
        user(world, "+34600000004", key_id=2).send_media(ME, media)


def test_files_and_parts_are_on_disk_before_the_answer(tmp_path):
    world = free_world()
    world.keep_files(tmp_path / "files")
    client = user(world)
    client.ask(SaveBig(5, 0, 2, b"a" * 1024))
    done = client.upload(b"whole")

    killed = free_world()  # knows only what is on the disk, and in the journal
    killed.keep_files(tmp_path / "files")
    for record in world.drain():
        killed.apply(record)
    again = user(killed)
    again.ask(SaveBig(5, 1, 2, b"b"))
    document = as_document(again, types.InputFileBig(5, 2, "a")).document
    assert download(again, document) == b"a" * 1024 + b"b"
    assert download(again, as_document(again, done).document) == b"whole"
    assert killed.files() == sorted(
        (sha256(data).hexdigest(), len(data)) for data in (b"a" * 1024 + b"b", b"whole")
    )
    assert killed.uploaded == 1024 + 1 + 5


def test_another_file_may_go_up_under_the_same_number(tmp_path):
    for number, text in enumerate((b"one", b"other")):
        world = free_world()  # started again
        world.keep_files(tmp_path / "files")
        client = user(world)
        client.ask(Save(7, 0, text))
        if number:
            world = free_world()
            world.keep_files(tmp_path / "files")
            client = user(world)
        assert (
            download(client, as_document(client, types.InputFile(7, 1, "a", "")).document) == text
        )


def test_the_photo_of_a_channel_is_kept_like_any_other(tmp_path):
    world = free_world()
    world.keep_files(tmp_path / "files")
    client = user(world)
    asked = [types.InputMessageID(3)]
    ask = functions.channels.GetMessagesRequest(client.find("some_channel"), asked)
    photo = client.ask(ask).messages[0].media.photo
    location = types.InputPhotoFileLocation(
        photo.id, photo.access_hash, photo.file_reference, photo.sizes[0].type
    )
    data = client.ask(functions.upload.GetFileRequest(location, 0, 4096)).bytes
    assert world.files() == [(sha256(data).hexdigest(), photo.sizes[0].size)]
    assert world.uploaded == 0
    (tmp_path / "files" / world.files()[0][0]).unlink()
    assert client.ask(functions.upload.GetFileRequest(location, 0, 4096)).bytes == b""


def test_big_files_do_not_fill_the_memory(tmp_path):
    world = free_world()
    world.keep_files(tmp_path / "files")
    client = user(world)
    part = os.urandom(524_288)
    for number in range(40):
        client.ask(SaveBig(1, number, 40, part))
    as_document(client, types.InputFileBig(1, 40, "big"))
    contents = world._state.contents
    assert not contents._parts
    assert not contents._contents
    assert world.uploaded == 40 * len(part)
    assert list((tmp_path / "files" / "uploads").rglob("[0-9]")) == []  # the parts are gone


def test_a_file_knows_what_it_is():
    client = user()
    kinds = {
        "document": (),
        "video": (types.DocumentAttributeVideo(1, 1, 1),),
        "audio": (types.DocumentAttributeAudio(1),),
        "voice": (types.DocumentAttributeAudio(1, voice=True),),
        "animation": (types.DocumentAttributeVideo(1, 1, 1), types.DocumentAttributeAnimated()),
    }
    for number, attributes in enumerate(kinds.values(), start=1):
        name = types.DocumentAttributeFilename(f"file {number}")
        sent = client.send_media(ME, client.document(b"x", *attributes, name), random_id=number)
        (message,) = messages_of(sent)
        shown = [bytes(attribute) for attribute in message.media.document.attributes]
        assert shown == [bytes(attribute) for attribute in (*attributes, name)]
    files = [message.file for message in client.world.inbox()]
    assert [file.kind for file in files] == list(kinds)
    assert [file.name for file in files] == [f"file {number}" for number in range(1, 6)]
    assert {file.sha256 for file in files} == {sha256(b"x").hexdigest()}
    assert {file.date for file in files} == {NOW}


def test_a_file_may_be_forced_to_be_a_document():
    client = user()
    media = types.InputMediaUploadedDocument(
        client.upload(b"x"), "video/mp4", [types.DocumentAttributeVideo(1, 1, 1)], force_file=True
    )
    client.send_media(ME, media)
    (message,) = client.world.inbox()
    assert message.file.kind == "document"
