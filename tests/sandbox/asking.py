"""A client without a wire: every request and every answer goes through Telethon's own bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from telethon.extensions import BinaryReader
from telethon.tl import TLObject, TLRequest, functions, types

from broadcast.sandbox.world import Limits, World

NOW = 1_764_000_000.0
PHONE = "+34600000000"  # even: it has an account


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


def user(world: World | None = None, phone: str = PHONE, key_id: int = 1) -> Client:
    client = Client(world or free_world(), key_id)
    client.sign_in(phone)
    return client


def bot(world: World | None = None, bot_id: int = 777_000_111, key_id: int = 2) -> Client:
    client = Client(world or free_world(), key_id)
    client.sign_in_bot(bot_id)
    return client
