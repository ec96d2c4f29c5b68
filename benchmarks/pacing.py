"""`python -m benchmarks.pacing`: what the pacer reaches, and what other rules reach, simulated.

Virtual time and fixed seeds: it prints the same on every machine, and needs no network.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from benchmarks import plot
from benchmarks.simulation import (
    Outcome,
    Server,
    broadcast,
    gathered,
    groups,
    recovery,
    semaphore,
    sleeping,
    telethon,
)
from broadcast.engine.gates import ChatPace
from broadcast.engine.pacer import Learned, Pacer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BOT, USER = Learned(30.0, 30), Learned(1.0, 10)
RULES: dict[str, Callable[[Server, int], Outcome]] = {
    "sleep 0.05": sleeping,
    "gather, sleep 0.05": gathered,
    "semaphore(30)": semaphore,
    "Telethon's own": telethon,
}


@dataclass(frozen=True)
class Case:
    """A server, and the start from which a broadcast meets it.

    `server` makes a fresh one from a seed. Where chance matters, the table has the mean of several.
    """

    name: str
    server: Callable[[int], Server]
    start: Learned = BOT
    workers: int = 20
    jitter: float = 0.0
    seeds: int = 1


def cases() -> Sequence[Case]:
    """The servers of the issue, then those that make it harder."""

    def fixed(rate: float, burst: int) -> Callable[[int], Server]:
        return lambda _: Server(rate, burst)

    plain = [
        Case(f"{rate:,}/s, burst {burst}", fixed(rate, burst), workers=200 if rate > 100 else 20)
        for rate in (1, 5, 30, 1000)
        for burst in (1, 30)
    ]
    halving = [Case(f"30/s, then 15/s, burst {burst}", HALVING[burst]) for burst in sorted(HALVING)]
    return [
        *plain,
        *halving,
        Case(
            "30/s, burst 30, 1 % lies", lambda seed: Server(30, 30, lies=0.01, seed=seed), seeds=10
        ),
        Case("30/s, burst 1, 1 % lies", lambda seed: Server(30, 1, lies=0.01, seed=seed), seeds=10),
        Case("30/s, burst 30, refuses the excess only", lambda _: Server(30, 30, closes=False)),
        Case("45/s, burst 10", fixed(45, 10)),
        Case("100/s, burst 30", fixed(100, 30)),
        Case("30/s, burst 30, requests late by 0-50 ms", fixed(30, 30), jitter=0.05),
        Case("30/s, burst 1, requests late by 0-50 ms", fixed(30, 1), jitter=0.05),
        *(
            Case(f"{rate}/s, burst 30, a user's start", fixed(rate, 30), USER)
            for rate in (1, 5, 30)
        ),
    ]


HALVING: dict[int, Callable[[int], Server]] = {
    1: lambda _: Server(30, 1, change=(150.0, 15.0)),
    30: lambda _: Server(30, 30, change=(150.0, 15.0)),
}


def twice(case: Case, count: int, seed: int = 0) -> tuple[Outcome, Outcome, Server]:
    """A first broadcast of an account, the next one, and the server that the first one met."""

    def run(learned: Learned | None, server: Server) -> tuple[Outcome, Learned | None]:
        pacer = Pacer.starting(case.start, learned, age=60.0)
        outcome = broadcast(pacer, server, count, workers=case.workers, jitter=case.jitter)
        return outcome, pacer.learned()

    server = case.server(seed)
    cold, learned = run(None, server)
    if server.change:  # the next broadcast meets the halving again, and starts before it
        _, learned = run(None, replace(case.server(seed), change=None, accepted=[]))
    warm, _ = run(learned, case.server(seed))
    return cold, warm, server


def stated(case: Case, count: int, seed: int = 0) -> Outcome:
    """With `--rate` set to what the server allows, and no burst."""
    server = case.server(seed)
    pacer = Pacer(server.rate, 1)
    return broadcast(pacer, server, count, workers=case.workers, jitter=case.jitter)


def cell(*outcomes: Outcome) -> str:
    """Goodput, floods per 1,000 and time: the mean."""
    goodput = fmean(outcome.goodput for outcome in outcomes)
    floods = fmean(outcome.per_thousand for outcome in outcomes)
    seconds = fmean(outcome.seconds for outcome in outcomes)
    return f"{goodput:.1%} | {floods:,.1f} | {seconds:,.0f} s"


def ours(count: int) -> None:
    """The table of the pacer."""
    print(f"N = {count:,}: goodput in % of the allowed | floods per 1,000 | time\n")
    print("| server | cold | | | learned | | | --rate | | |\n|---|" + "---:|" * 9)
    for case in cases():
        cold, warm, servers = zip(*(twice(case, count, n) for n in range(case.seeds)), strict=True)
        fixed = [stated(case, count, seed) for seed in range(case.seeds)]
        print(f"| {case.name} | {cell(*cold)} | {cell(*warm)} | {cell(*fixed)} |")
        if servers[0].change:
            seconds = f"{recovery(servers[0]):.0f} s"
            print(f"| … 95 % of the new limit again after | {seconds} |" + " |" * 8)


def in_groups(count: int) -> None:
    """The table of the pace of chats."""
    each = count // 50
    print(f"\n50 groups at 20 a minute, {each} messages to each\n")
    print("| | goodput | floods per 1,000 | time |\n|---|---:|---:|---:|")
    for burst in (1, 20):
        pace = ChatPace()
        took = groups(
            lambda now, chat, pace=pace: pace.take(now, chat, is_group=True),
            50,
            each,
            burst=burst,
        )
        print(f"| broadcast, burst {burst} | {cell(took)} |")
    unpaced = groups(lambda _now, _chat: 0.0, 50, each)
    print(f"| no pace, sleep and retry, burst 1 | {cell(unpaced)} |")


def others(count: int) -> None:
    """The table of the other rules, on the same servers."""
    print("\nOther rules: goodput in % | floods per 1,000 | not sent\n")
    print("| server |" + "".join(f" {name} | | |" for name in RULES))
    print("|---|" + "---:|" * 3 * len(RULES))
    for case in cases()[:12]:
        cells: list[str] = []
        for rule in RULES.values():
            took = rule(case.server(0), count)
            missing = took.audience - took.sent
            cells.append(f"{took.goodput:.1%} | {took.per_thousand:,.0f} | {missing:,}")
        print(f"| {case.name} | {' | '.join(cells)} |")


def draw(path: Path) -> None:
    """The plots of docs/pacing.md."""
    five, half = Server(5, 30), HALVING[30](0)
    first = broadcast(Pacer.starting(BOT, None, 0.0), five, 1000)
    broadcast(Pacer.starting(BOT, None, 0.0), half, 10_000)
    rivals: dict[str, list[float]] = {}
    for name in ("semaphore(30)", "sleep 0.05"):
        server = HALVING[30](0)
        RULES[name](server, 10_000)
        rivals[name] = server.accepted
    path.write_text(plot.drawn(five, first, half, rivals), encoding="utf-8")


def main() -> None:
    """Print the tables and draw the plots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=10_000, help="recipients of each broadcast")
    parser.add_argument("--plot", type=Path, help="write the plots to this SVG file")
    options = parser.parse_args()
    ours(options.n)
    in_groups(options.n)
    others(options.n)
    if options.plot:
        draw(options.plot)


if __name__ == "__main__":
    main()
