"""`python -m benchmarks.templates`: what it costs to write a message to each of 10,000 people.

It prints the CPU time of the best of five rounds, and its ratio to `str.format` of the same text.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from broadcast.core.model import Contact, Message
from broadcast.core.peers import parse_peer
from broadcast.message.personal import personal

if TYPE_CHECKING:
    from collections.abc import Callable

COUNT = 10_000
ROUNDS = 5
NOW = datetime(2026, 12, 24, 18, 0, tzinfo=UTC)

SIMPLE = "Hi {{ first_name }}, your order {{ order }} waits for you in **{{ city }}**."
FORMAT = "Hi {first_name}, your order {order} waits for you in **{city}**."
RICH = (
    "Hi {{ first_name }}, {{ count }} {{ count|plural('car', 'cars') }} for {{ price|money('€') }} "
    "in **{{ city }}** until {{ now|date }}"
    "{% if tags %}: {% for tag in tags %}"
    "{{ tag }}{{ ', ' if not loop.last }}{% endfor %}{% endif %}."
)


def contacts() -> list[Contact]:
    """People with a name, two tags and four fields."""
    return [
        Contact(
            parse_peer(f"@friend_{number}"),
            f"Ana {number}",
            ("best", "madrid"),
            {"order": f"A{number}", "city": "Madrid", "count": "3", "price": "1234.50"},
        )
        for number in range(COUNT)
    ]


def best(write: Callable[[Contact], object], people: list[Contact]) -> float:
    """CPU seconds for everybody, in the best round."""
    rounds: list[float] = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for contact in people:
            write(contact)
        rounds.append(time.process_time() - started)
    return min(rounds)


def main() -> None:
    """Print the table."""
    people = contacts()

    def by_format(contact: Contact) -> str:
        first_name = contact.name.split(maxsplit=1)[0]
        return FORMAT.format(first_name=first_name, **contact.fields)

    plain = best(by_format, people)
    rows = [("str.format, three values", plain)]
    for name, text in (("template, three values", SIMPLE), ("with filters and a loop", RICH)):
        message = Message(text, template=True)
        rows.append((name, best(lambda one, message=message: personal(message, one, NOW), people)))
    for name, seconds in rows:
        each = seconds / COUNT * 1e6
        print(
            f"{name:26} {COUNT:,} in {seconds:6.3f} s  {each:6.1f} µs each  {seconds / plain:5.1f}x"
        )


if __name__ == "__main__":
    main()
