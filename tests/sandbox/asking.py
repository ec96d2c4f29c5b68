"""A client without a wire: every request and every answer goes through Telethon's own bytes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import md5
from itertools import count
from typing import Any

from telethon.extensions import BinaryReader
from telethon.tl import TLObject, TLRequest, functions, types

from broadcast.sandbox.limits import Limits
from broadcast.sandbox.world import World

NOW = 1_764_000_000.0
PHONE = "+34600000000"  # even: it has an account
PNG = b"\x89PNG\r\n\x1a\n" + b"a picture"
_PART = 65_536

_upload_ids = count(1)


def free_world(contacts: Any = (), **limits: Any) -> World:
    """A world without rates: tests send as fast as they can."""
    return World(contacts=contacts, limits=replace(Limits.none(), **limits))


class Client:
    """One login at a world."""

    def __init__(self, world: World, key_id: int = 1) -> None:
        self.world = world
        self.key_id = key_id
        self.now = NOW

    def ask(self, request: TLRequest) -> Any:
        arrived = BinaryReader(bytes(request)).tgread_object()
        answer = self.world.call(self.key_id, arrived, self.now)
        if isinstance(answer, TLObject):
            return BinaryReader(bytes(answer)).tgread_object()
        if isinstance(answer, list):
            return [BinaryReader(bytes(item)).tgread_object() for item in answer]
        return answer

    def ask_for_code(self, phone: str) -> str:
        code = self.ask(functions.auth.SendCodeRequest(phone, 1, "hash", types.CodeSettings()))
        return code.phone_code_hash

    def sign_in(self, phone: str = PHONE, code: str = "12345") -> Any:
        code_hash = self.ask_for_code(phone)
        return self.ask(functions.auth.SignInRequest(phone, code_hash, code))

    def sign_in_bot(self, bot_id: int = 777_000_111) -> Any:
        token = f"{bot_id}:{'A' * 35}"
        return self.ask(functions.auth.ImportBotAuthorizationRequest(0, 1, "hash", token))

    def find(self, username: str) -> Any:
        found = self.ask(functions.contacts.ResolveUsernameRequest(username))
        match found.peer, [*found.users, *found.chats]:
            case types.PeerUser(), [user]:
                return types.InputPeerUser(user.id, user.access_hash)
            case types.PeerChannel(), [channel]:
                return types.InputPeerChannel(channel.id, channel.access_hash)
            case _:
                raise AssertionError(found)

    def send(self, peer: Any, text: str = "hello", random_id: int = 1, **more: Any) -> Any:
        request = functions.messages.SendMessageRequest(peer, text, random_id=random_id, **more)
        return self.ask(request)

    def upload(self, data: bytes, name: str = "file.bin", part: int = _PART) -> types.InputFile:
        """Send a file in parts, as a client does before it sends the file to somebody."""
        file_id = next(_upload_ids)
        parts = [data[start : start + part] for start in range(0, len(data), part)]
        for number, piece in enumerate(parts):
            assert self.ask(functions.upload.SaveFilePartRequest(file_id, number, piece))
        checksum = md5(data, usedforsecurity=False).hexdigest()
        return types.InputFile(file_id, len(parts), name, checksum)

    def photo(self, data: bytes = PNG) -> types.InputMediaPhoto:
        """A photo that is ready to be sent."""
        uploaded = types.InputMediaUploadedPhoto(self.upload(data, "photo.png"))
        return again(self.ask(functions.messages.UploadMediaRequest(ME, uploaded)))

    def document(self, data: bytes = b"text", *attributes: Any) -> types.InputMediaDocument:
        """A document that is ready to be sent; `attributes` tell of what kind."""
        is_video = any(isinstance(a, types.DocumentAttributeVideo) for a in attributes)
        mime = "video/mp4" if is_video else "application/octet-stream"
        file = self.upload(data, "file.bin")
        uploaded = types.InputMediaUploadedDocument(file, mime, list(attributes))
        return again(self.ask(functions.messages.UploadMediaRequest(ME, uploaded)))

    def send_media(
        self, peer: Any, media: Any, text: str = "", random_id: int = 1, **more: Any
    ) -> Any:
        request = functions.messages.SendMediaRequest(
            peer, media, text, random_id=random_id, **more
        )
        return self.ask(request)

    def send_album(self, peer: Any, medias: list[Any], random_id: int = 1, **more: Any) -> Any:
        """An album, its random_ids in a row from `random_id` on."""
        singles = [
            types.InputSingleMedia(media, f"number {number}", random_id=number)
            for number, media in enumerate(medias, start=random_id)
        ]
        return self.ask(functions.messages.SendMultiMediaRequest(peer, singles, **more))

    def forward(
        self, source: Any, ids: list[int], peer: Any, random_ids: list[int], **more: Any
    ) -> Any:
        request = functions.messages.ForwardMessagesRequest(
            source, ids, peer, random_id=random_ids, **more
        )
        return self.ask(request)


ME = types.InputPeerSelf()


def again(media: Any) -> Any:
    """A file that Telegram has shown, as it is sent once more."""
    if isinstance(media, types.MessageMediaPhoto):
        photo = media.photo
        return types.InputMediaPhoto(
            types.InputPhoto(photo.id, photo.access_hash, photo.file_reference)
        )
    document = media.document
    return types.InputMediaDocument(
        types.InputDocument(document.id, document.access_hash, document.file_reference)
    )


def messages_of(answer: types.Updates) -> list[Any]:
    """The messages that an answer shows."""
    return [update.message for update in answer.updates if hasattr(update, "message")]


def at(when: float) -> datetime:
    return datetime.fromtimestamp(when, UTC)


def user(world: World | None = None, phone: str = PHONE, key_id: int = 1) -> Client:
    client = Client(world or free_world(), key_id)
    client.sign_in(phone)
    return client


def bot(world: World | None = None, bot_id: int = 777_000_111, key_id: int = 2) -> Client:
    client = Client(world or free_world(), key_id)
    client.sign_in_bot(bot_id)
    return client
