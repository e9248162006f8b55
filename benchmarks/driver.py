"""What the driver costs: `run(repeated_sampling)` beside the same rows alone.

    python benchmarks/driver.py [--json [PATH]] [--rungs 27k 105k] [--problems 256]
                                [--samples 64] [--threads 1 all]

The first measurement of a round asks the engine for the rows and drops them; the
others let the driver ask for exactly those rows: with a verifier that does nothing
(the driver alone: the bar of 10% is for this one), with the exact checker, and with
a bank as well. Overhead is the median over rounds of the extra time in percent.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from _common import folders_wanted, say, threads_wanted

from tts_lab import ladder, problems
from tts_lab.bank import Bank
from tts_lab.ladder.data import LADDER
from tts_lab.proposers import Job, Samples
from tts_lab.proposers.ladder import Ladder
from tts_lab.run import run
from tts_lab.strategies import repeated_sampling
from tts_lab.traces import Problem, Trace
from tts_lab.verifiers.exact import Exact

BAR = 10.0  # percent


class Recorder:
    """A proposer that notes the jobs it was given."""

    def __init__(self, proposer: Ladder) -> None:
        self.proposer = proposer
        self.name, self.fingerprint = proposer.name, proposer.fingerprint
        self.size, self.count_tokens = proposer.size, proposer.count_tokens
        self.calls: list[Sequence[Job]] = []

    def propose(
        self, jobs: Sequence[Job], *, cancel: Event | None = None
    ) -> Iterator[Samples]:
        self.calls.append(jobs)
        return self.proposer.propose(jobs, cancel=cancel)


class Nothing:
    """A verifier that costs nothing."""

    name = "nothing"

    def verify(self, traces: Sequence[Trace]) -> list[float]:
        return [0.0] * len(traces)

    def tokens(self, trace: Trace) -> int:
        return 0


def some_problems(count: int) -> list[Problem]:
    """Evaluation problems of all levels of the ladder's domains."""
    kinds = [(name, x) for name in LADDER for x in problems.domain(name).LEVELS]
    each = -(-count // len(kinds))
    return [p for kind in kinds for p in problems.evaluation_set(*kind, each)][:count]


def seconds_of(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(name: str, folder: Path, threads: int, options: argparse.Namespace) -> dict:
    """Seconds of each way, round by round, and the overheads in percent."""
    proposer = ladder.load(folder, threads=threads)
    chosen = some_problems(options.problems)
    strategy = partial(repeated_sampling, n=options.samples, batch=options.samples)

    def drive(verifier: Any, seed: int, bank: Bank | None = None) -> list[Any]:
        recorder = Recorder(proposer)
        run(
            strategy, chosen, proposer=recorder, verifier=verifier, seed=seed, bank=bank
        )
        return recorder.calls

    def alone(calls: list[Any]) -> int:
        engine, tokens = proposer._engine, 0
        for requests in calls:
            tokens += sum(int(w.count.sum()) for w in engine.write(requests))
        return tokens

    found: dict[str, list[float]] = {}
    tokens = 0
    for seed in range(options.rounds):
        calls = [
            [proposer._request(j) for j in jobs] for jobs in drive(Nothing(), seed)
        ]
        tokens = alone(calls)  # also warms up
        with (
            tempfile.TemporaryDirectory() as empty,
            Bank(Path(empty) / "bank.sqlite") as bank,
        ):
            ways: dict[str, Callable[[], object]] = {
                "engine alone": partial(alone, calls),
                "driver": partial(drive, Nothing(), seed),
                "driver, exact checker": partial(drive, Exact(), seed),
                "driver, exact checker, bank": partial(drive, Exact(), seed, bank),
            }
            for way, work in ways.items():
                found.setdefault(way, []).append(seconds_of(work))
        shown = ", ".join(f"{way} {s[-1]:.2f} s" for way, s in found.items())
        say(f"{name}, {threads} thread(s), round {seed + 1}: {shown}")
    return {
        "rung": name,
        "threads": threads,
        "problems": len(chosen),
        "samples": options.samples,
        "tokens_last_round": tokens,
        "seconds": found,
        "overhead_percent": {
            way: statistics.median(
                100 * (a / b - 1)
                for a, b in zip(seconds, found["engine alone"], strict=True)
            )
            for way, seconds in found.items()
            if way != "engine alone"
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", nargs="?", const="artifacts/driver.json", type=Path)
    parser.add_argument("--rungs", nargs="+", default=["27k", "105k"])
    parser.add_argument("--problems", type=int, default=256)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--threads", nargs="+", default=["1", "all"])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    for name in ("problems", "samples", "rounds"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} is {getattr(options, name)}; accepted: 1 or more")
    results = [
        measure(name, folder, threads, options)
        for name, folder in folders_wanted(options.rungs).items()
        for threads in threads_wanted(options.threads)
    ]
    ways = list(results[0]["overhead_percent"])
    print("| rung | threads | rows | engine alone, s |", " | ".join(ways), "| bar |")
    print("|---|---:|---:|---:|" + "---:|" * len(ways) + "---|")
    for row in results:
        base = statistics.median(row["seconds"]["engine alone"])
        over = row["overhead_percent"]
        cells = [row["rung"], str(row["threads"])]
        cells += [f"{row['problems'] * row['samples']:,}", f"{base:.2f}"]
        cells += [f"{over[way]:+.1f}%" for way in ways]
        cells += ["met" if over["driver"] <= BAR else "**not met**"]
        print("| " + " | ".join(cells) + " |")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(results, indent=1) + "\n")
        say(f"wrote {options.json}")


if __name__ == "__main__":
    main()
