"""MTProto as pure bytes, for both ends: packets, encryption, containers, which messages are new.

No sockets, no clock, no randomness of its own, and no Telethon.
"""
