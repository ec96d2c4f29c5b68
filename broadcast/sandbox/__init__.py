"""A small Telegram on loopback: real MTProto for the real client, without Telegram."""
