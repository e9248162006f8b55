"""Memory over long work: a million samples with a bank, and half an hour of everything.

    python benchmarks/long_work.py million [--problems 100] [--samples 10000]
    python benchmarks/long_work.py soak [--minutes 30]

`million` runs each part in a process of its own and reports its peak of resident
memory: all traces kept with their scores, the same from the bank, and counts only. The
bar is 1 GB (10^9 bytes).

`soak` does laps of what people do: every strategy with a verifier and a bank, the
explorer run, cancelled and run again, laws fitted, a figure drawn. Each lap has a seed
of its own, so the bank grows on disk. Memory is printed every minute; after the first
tenth, which warms up, a line through the rest says how fast it grows.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import psutil
from _common import say

from tts_lab import figures, ladder, laws, problems, strategies
from tts_lab.bank import Bank
from tts_lab.coverage import coverage, log_ks
from tts_lab.run import run
from tts_lab.verifiers import library
from tts_lab.verifiers.exact import Exact
from tts_lab.widgets import CoverageExplorer

matplotlib.use("agg")
BAR = 1e9  # bytes
PARTS = {
    "traces and scores, sampled and stored": strategies.repeated_sampling,
    "traces and scores, from the bank": strategies.repeated_sampling,
    "counts only, from the bank": strategies.count_correct,
    "counts only, without a bank": strategies.count_correct,
}
SEARCHES: dict[str, Any] = {
    "best-of-n": partial(strategies.repeated_sampling, n=64),
    "beam search": partial(strategies.beam_search, n=16),
    "lookahead": partial(strategies.lookahead_search, n=8, lookahead=1),
    "DVTS": partial(strategies.dvts, n=16),
    "REBASE": partial(strategies.rebase, n=16),
    "MCTS": partial(strategies.mcts, n=8),
}


def part(name: str, folder: str, args: argparse.Namespace) -> None:
    """One part of `million`, alone in its process."""
    before = psutil.Process().memory_info().rss
    proposer = ladder.load("27k")
    exam = problems.evaluation_set("chains", 4, args.problems)
    bank = None if "without" in name else Bank(Path(folder) / "bank.sqlite")
    start = time.perf_counter()
    outcomes = run(
        partial(PARTS[name], n=args.samples),
        exam,
        proposer=proposer,
        verifier=Exact(),
        seed=0,
        bank=bank,
    )
    seconds = time.perf_counter() - start
    rows = sum(outcome.ledger.calls for outcome in outcomes)
    tokens = sum(outcome.ledger.generated_tokens for outcome in outcomes)
    banked = sum(outcome.ledger.banked_tokens for outcome in outcomes)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    stored = f"{bank.stats().bytes / 1e6:,.1f} MB" if bank else "-"
    print(
        f"| {name} | {rows:,} | {banked / tokens:.0%} | {before / 1e6:,.0f} MB "
        f"| {peak / 1e6:,.0f} MB{' (over 1 GB)' if peak > BAR else ''} "
        f"| {stored} | {seconds:,.0f} s |",
        flush=True,
    )


def million(args: argparse.Namespace) -> None:
    """Every part, each in a fresh process, on one bank."""
    print("| what | samples | from the bank | at the start | peak | bank | took |")
    print("|---|---:|---:|---:|---:|---:|---:|", flush=True)
    sizes = ("--problems", str(args.problems), "--samples", str(args.samples))
    with tempfile.TemporaryDirectory() as folder:
        for name in PARTS:
            command = [sys.executable, __file__, "part", *sizes]
            subprocess.run([*command, "--name", name, "--folder", folder], check=True)


def lap(seed: int, bank: Bank, verifier: Any) -> int:
    """A bit of everything; returns samples."""
    samples = 0
    proposer = ladder.load("27k")
    exam = problems.evaluation_set("chains", 4, 20)
    right = []
    for strategy in SEARCHES.values():
        outcomes = run(
            strategy, exam, proposer=proposer, verifier=verifier, seed=seed, bank=bank
        )
        samples += sum(outcome.ledger.calls for outcome in outcomes)
    counted = partial(strategies.count_correct, n=200)
    for one in run(
        counted, exam, proposer=proposer, verifier=Exact(), seed=seed, bank=bank
    ):
        right.append(one.value.correct)
        samples += one.ledger.calls
    curve = coverage(200, right, log_ks(200), seed=seed)
    laws.fit_power_law(curve.k, curve.mean, resamples=50)
    figures.coverage({"27k": curve})._repr_mimebundle_()
    explorer = CoverageExplorer(
        rung="27k", domain="chains", level=4, n_problems=20, samples=300, seed=seed,
        bank=bank,
    )  # fmt: skip
    explorer.run()
    explorer.wait(0.3)
    explorer.cancel()
    explorer.run()
    explorer.wait()
    samples += int(explorer.counts.n) * 20
    explorer.close()
    return samples


def soak(args: argparse.Namespace) -> None:
    """Laps for so many minutes; memory every minute."""
    process, begun = psutil.Process(), time.perf_counter()
    verifier = library.load("prm-a")
    seen: list[tuple[float, float]] = []
    print("| minute | laps | samples | resident | threads | objects | bank |")
    print("|---:|---:|---:|---:|---:|---:|---:|", flush=True)
    laps = samples = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        Bank(Path(folder) / "bank.sqlite") as bank,
    ):
        due = 0.0
        while (minutes := (time.perf_counter() - begun) / 60) < args.minutes:
            samples += lap(laps, bank, verifier)
            laps += 1
            if minutes >= due:
                gc.collect()
                resident = process.memory_info().rss / 1e6
                seen.append((minutes, resident))
                due = minutes + min(1.0, args.minutes / 10)
                print(
                    f"| {minutes:.1f} | {laps} | {samples:,} | {resident:,.1f} MB "
                    f"| {threading.active_count()} | {len(gc.get_objects()):,} "
                    f"| {bank.stats().bytes / 1e6:,.1f} MB |",
                    flush=True,
                )
    warm = np.array([one for one in seen if one[0] >= args.minutes / 10])
    slope = np.polyfit(warm[:, 0], warm[:, 1], 1)[0]
    print(
        f"\n{warm[0, 1]:,.1f} MB after {warm[0, 0]:.1f} minutes, {warm[-1, 1]:,.1f} MB "
        f"at the end; a line through them rises by {slope * 60:+.1f} MB an hour. "
        f"{os.cpu_count()} cores, Python {sys.version.split()[0]}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["million", "soak", "part"])
    parser.add_argument("--problems", type=int, default=100)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--name", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.what == "part":
        part(args.name, args.folder, args)
    else:
        say("memory grows in steps: close what else needs it")
        {"million": million, "soak": soak}[args.what](args)


if __name__ == "__main__":
    main()
