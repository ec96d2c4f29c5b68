"""What it takes to sign in to the sandbox: the code, the password, and two logins to use.

Nothing here is secret: docs/sandbox.md has all of it.
"""

from __future__ import annotations

CODE = "12345"
"""The code of every login of a person."""

PASSWORD = "sandbox"  # noqa: S105 - public on purpose
"""The password of people with two-step verification: those whose number ends like this."""

PASSWORD_DIGITS = "0002"  # noqa: S105 - digits of a phone number
PREMIUM_DIGITS = "0008"
"""The numbers of people with Telegram Premium end like this."""

API_ID, API_HASH = 1, "sandbox"
PHONE = "+34600000000"
"""A person who can sign in, as can every number that ends in an even digit."""

BOT_TOKEN = "100200300:sandbox-sandbox-sandbox-sandbox-san"  # noqa: S105 - any well-formed one will do
