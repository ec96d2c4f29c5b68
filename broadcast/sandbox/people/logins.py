"""With what anybody signs in to the sandbox: its code, its password, and logins that are ready.

Nothing here is secret: docs/sandbox.md has all of it.
"""

from __future__ import annotations

CODE = "12345"
"""Of every login of a person."""

PASSWORD = "sandbox"  # noqa: S105 - public on purpose
"""Of the people whose number ends in `PASSWORD_DIGITS`: they have two-step verification."""

PASSWORD_DIGITS = "0002"  # noqa: S105 - digits of a phone number
PREMIUM_DIGITS = "0008"
"""How the numbers of people with Telegram Premium end."""

API_ID, API_HASH = 1, "sandbox"
PHONE = "+34600000000"
"""A person who can sign in: any other number that ends in an even digit can, too."""

BOT_TOKEN = "100200300:sandbox-sandbox-sandbox-sandbox-san"  # noqa: S105 - any well-formed one will do
