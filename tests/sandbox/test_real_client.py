"""Telethon itself over a socket: files, albums, forwards, schedules and pins, and a SIGKILL."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from telethon import Button, errors, functions, types

from broadcast.sandbox.faults import Faults
from broadcast.sandbox.inbox import InboxRow
from broadcast.sandbox.limits import Limits
from broadcast.sandbox.server import SandboxServer
from broadcast.sandbox.world import World
from tests.e2e.child import Cli
from tests.e2e.telegram import in_journal
from tests.pictures import png
from tests.sandbox.asking import PHONE, PNG, again
from tests.sandbox.test_restart import Sandbox, client_of
from tests.sandbox.test_server import connected

NOW = datetime(2026, 11, 24, tzinfo=UTC)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from telethon import TelegramClient

TOKEN = f"123456:{'A' * 35}"


@asynccontextmanager
async def signed_in(
    faults: Faults | None = None, *, is_bot: bool = False
) -> AsyncGenerator[tuple[World, TelegramClient]]:
    world = World(limits=Limits.none())
    async with SandboxServer(world) as server, connected(server) as client:
        if is_bot:
            await client.start(bot_token=TOKEN)
        else:
            await client.start(phone=PHONE, code_callback=lambda: "12345")
        if faults:
            server.faults = faults
        yield world, client


def hash_of(data: bytes) -> str:
    return sha256(data).hexdigest()


async def test_a_photo_a_video_and_a_document_come_back_as_they_were(tmp_path: Path):
    big = os.urandom(11_000_000)
    (tmp_path / "car.png").write_bytes(PNG)
    (tmp_path / "drive.mp4").write_bytes(b"a video")
    (tmp_path / "terms.pdf").write_bytes(big)
    async with signed_in() as (world, client):
        sent = [
            await client.send_file("@ana", str(tmp_path / name), caption="**See**")
            for name in ("car.png", "drive.mp4", "terms.pdf")
        ]
        for message, data in zip(sent, (PNG, b"a video", big), strict=True):
            assert await client.download_media(message, bytes) == data
    arrived = list(world.inbox())
    assert [message.file.kind for message in arrived] == ["photo", "video", "document"]
    assert [message.file.sha256 for message in arrived] == [
        hash_of(data) for data in (PNG, b"a video", big)
    ]
    assert arrived[2].file.name == "terms.pdf"
    assert {message.text for message in arrived} == {"See"}
    assert world.uploaded == len(PNG) + 7 + len(big)


async def test_telethon_hears_what_telegram_would_refuse(tmp_path: Path):
    (tmp_path / "wide.png").write_bytes(png(201, 10))
    async with signed_in() as (world, client):
        with pytest.raises(errors.PhotoInvalidDimensionsError):
            await client.send_file("@ana", str(tmp_path / "wide.png"))
        await client.send_file("@ana", str(tmp_path / "wide.png"), force_document=True)
        with pytest.raises(errors.MessageEmptyError):
            await client.send_message("@ana", "\u200b\u2060")
        post = await client.get_messages("@protected_channel", ids=1)
        with pytest.raises(errors.ChatForwardsRestrictedError):
            await client.forward_messages("@ana", post)
    (arrived,) = world.inbox()
    assert arrived.file.kind == "document"


async def test_an_album_and_what_is_forwarded_of_it(tmp_path: Path):
    names = [tmp_path / f"{number}.png" for number in range(3)]
    for number, path in enumerate(names):
        path.write_bytes(PNG + bytes([number]))
    async with signed_in() as (world, client):
        album = await client.send_file("@ana", [str(name) for name in names], caption=["one"])
        assert len({message.grouped_id for message in album}) == 1
        forwarded = await client.forward_messages("@bruno", album)
        assert len({message.grouped_id for message in forwarded}) == 1
        assert await client.download_media(forwarded[1], bytes) == PNG + b"\1"
        post = await client.get_messages("@some_channel", ids=3)
        hidden = await client.forward_messages("@bruno", post, drop_author=True)
        assert hidden.fwd_from is None
        assert hidden.photo.id == post.photo.id
    assert len(list(world.inbox())) == 7


async def test_a_message_is_scheduled_seen_and_cancelled():
    async with signed_in() as (world, client):
        hour = timedelta(hours=1)
        for text in ("one", "two"):
            await client.send_message("@ana", text, schedule=hour)
        waiting = await client.get_messages("@ana", scheduled=True)
        assert sorted(message.text for message in waiting) == ["one", "two"]
        peer = await client.get_input_entity("@ana")
        await client(functions.messages.DeleteScheduledMessagesRequest(peer, [1]))
        await client(functions.messages.SendScheduledMessagesRequest(peer, [2]))
    assert [message.text for message in world.inbox()] == ["two"]
    assert world.scheduled() == []


async def test_a_message_is_pinned_in_a_group():
    async with signed_in() as (world, client):
        message = await client.send_message("@some_group", "read this", silent=True)
        await client.pin_message("@some_group", message)
        (pinned,) = await client.get_messages("@some_group", ids=[message.id])
        assert pinned.pinned
        (arrived,) = world.inbox()
        assert (arrived.pinned, arrived.silent) == (True, True)
        await client.unpin_message("@some_group")
        assert [message.pinned for message in world.inbox()] == [False]


async def test_a_bot_sends_buttons_and_a_topic_is_replied_to():
    async with signed_in(is_bot=True) as (world, client):
        rows = [[Button.url("Buy", "https://example.com/buy")], [Button.url("Ask", "t.me/me")]]
        await client.send_message("@ana", "a car", buttons=rows, link_preview=False)
        await client.send_message("@car_forum", "a car", reply_to=3)
    private, topical = world.inbox()
    assert private.buttons == ((("Buy", "https://example.com/buy"),), (("Ask", "t.me/me"),))
    assert private.no_webpage
    assert topical.topic == 3


async def test_an_album_arrives_once_however_often_the_connection_drops(tmp_path: Path):
    async with signed_in(Faults(drop_after=2)) as (world, client):
        peer = await client.get_input_entity("@ana")
        client._request_retries = 20
        file = await client.upload_file(PNG, file_name="car.png")
        uploaded = functions.messages.UploadMediaRequest(peer, types.InputMediaUploadedPhoto(file))
        media = again(await client(uploaded))
        for first in range(1, 60, 3):
            singles = [
                types.InputSingleMedia(media, "a car", random_id=first + place)
                for place in range(3)
            ]
            answer = await client(functions.messages.SendMultiMediaRequest(peer, singles))
            assert sum(isinstance(u, types.UpdateMessageID) for u in answer.updates) == 3
    arrived = list(world.inbox())
    assert sorted(message.random_id for message in arrived) == list(range(1, 61))
    assert len({message.album for message in arrived}) == 20
    assert world.uploaded == len(PNG)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
async def test_a_killed_sandbox_still_has_the_files_and_what_waits(tmp_path: Path):
    data = random.randbytes(3_000_000)
    with Cli(tmp_path) as cli:
        sandbox = Sandbox(cli)
        async with client_of(sandbox) as bot:
            peer = types.InputPeerUser(777_777, 0)
            parts = [data[start : start + 524_288] for start in range(0, len(data), 524_288)]
            for number, part in enumerate(parts):
                if number == 3:
                    await asyncio.to_thread(sandbox.restart)
                await bot(functions.upload.SaveBigFilePartRequest(5, number, len(parts), part))
            await asyncio.to_thread(sandbox.restart)
            file = types.InputFileBig(5, len(parts), "terms.pdf")
            document = types.InputMediaUploadedDocument(file, "application/pdf", [])
            media = await bot(functions.messages.UploadMediaRequest(peer, document))
            await asyncio.to_thread(sandbox.restart)
            send = functions.messages.SendMediaRequest(peer, again(media), "terms", random_id=9)
            answer = await bot(send)
            await bot(functions.messages.UpdatePinnedMessageRequest(peer, 1))
            await asyncio.to_thread(sandbox.restart)
            assert bytes((await bot(send)).updates[0]) == bytes(answer.updates[0])
            message = (await bot.get_messages(peer, ids=[1]))[0]
            assert await bot.download_media(message, bytes) == data
    (arrived,) = in_journal(cli.home)
    assert (arrived.file.size, arrived.file.sha256) == (len(data), hash_of(data))
    assert arrived.pinned
    journal = cli.home / "sandbox" / "journal.jsonl"
    assert journal.stat().st_size < 10_000  # no content in it


async def test_the_inbox_shows_all_of_it(tmp_path: Path):
    with Cli(tmp_path) as cli:
        sandbox = Sandbox(cli)
        async with client_of(sandbox) as bot:
            peer = types.InputPeerUser(777_777, 0)
            rows = [[Button.url("Buy", "https://example.com")]]
            message = await bot.send_file(
                peer, PNG, caption="a car", silent=True, buttons=rows, force_document=True
            )
            await bot.pin_message(peer, message)
        table = cli.run("sandbox", "inbox")
        assert table.code == 0
        shown = " ".join(table.out.split())
        for part in ("a car", "document", f"{len(PNG)} bytes", "silent", "pinned", "Buy"):
            assert part in shown
        (row,) = cli.run("sandbox", "inbox", "--json").rows
        assert row["file"]["sha256"] == hash_of(PNG)
        assert row["buttons"] == [[{"text": "Buy", "url": "https://example.com"}]]
        assert (row["silent"], row["pinned"], row["text"]) == (True, True, "a car")
        assert cli.run("sandbox", "inbox", "--scheduled", "--json").rows == []


def test_a_row_of_the_inbox_is_text_for_people_and_json_for_programs():
    row = InboxRow("Ana", 1, 2, "hi", NOW, {"album": 2**62, "reply_to": 4, "silent": True})
    assert row.shown == "hi\n[album 4000, reply to 4, silent]"
    assert row.as_json()["album"] == 2**62
    assert InboxRow("Ana", 1, 2, "hi", NOW).shown == "hi"
    assert set(InboxRow("Ana", 1, 2, "hi", NOW).as_json()) == {
        "to",
        "id",
        "message_id",
        "text",
        "at",
    }
