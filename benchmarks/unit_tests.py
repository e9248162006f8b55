"""How far unit tests carry: false positives, and best-of-n against coverage.

    python benchmarks/unit_tests.py [--json [PATH]] [--problems 200] [--n 64]

Policy `programs-105k` at temperature 1 on the test problems of each level, judged by
the exact checker and by the first 1, 2 or 3 examples that the prompt shows. Printed
with 95% intervals over problems: pass@1, coverage, the false-positive rate (wrong
programs that pass), how many of the passing ones are wrong, and the accuracy of
best-of-n, where ties go to the program drawn first. Majority votes are on functions.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path

import numpy as np

from tts_lab import ladder, problems
from tts_lab.proposers import Proposer
from tts_lab.run import run
from tts_lab.strategies import repeated_sampling
from tts_lab.subsets import Pool, accuracy
from tts_lab.verifiers.exact import Exact
from tts_lab.verifiers.metrics import Estimate, share
from tts_lab.verifiers.unit_tests import UnitTests


def measure(
    level: int, *, proposer: Proposer, n_problems: int, n: int, seed: int
) -> dict[str, Estimate]:
    """All figures of one level, by name."""
    outcomes = run(
        partial(repeated_sampling, n=n),
        problems.evaluation_set("programs", level, n_problems),
        proposer=proposer,
        verifier=Exact(),
        seed=seed,
    )
    traces = [[trace for trace, _ in outcome.value] for outcome in outcomes]
    right = np.array([[score for _, score in outcome.value] for outcome in outcomes])

    def picked(rule: str, scores: np.ndarray) -> Estimate:
        pools = [Pool.of(*one) for one in zip(traces, right, scores, strict=True)]
        made = accuracy(pools, rule, [n])
        return Estimate(
            float(made.mean[0]), float(made.low[0]), float(made.high[0]), len(pools)
        )

    every = np.full(len(right), n)
    found = {
        "pass@1": share(right.sum(1), every),
        f"coverage@{n}": picked("coverage", right),
        f"majority of {n}": picked("majority", right),
    }
    for first in range(1, problems.programs.SHOWN + 1):
        tests = UnitTests(first=first)
        passed = np.array([tests.verify(some) for some in traces])
        wrong = (passed * (1 - right)).sum(1)
        tested = f"{first} test{'s' if first > 1 else ''}"
        found |= {
            f"{tested}: wrong that pass": share(wrong, (1 - right).sum(1)),
            f"{tested}: passing that are wrong": share(wrong, passed.sum(1)),
            f"{tested}: best of {n}": picked("best-of-n", passed),
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", nargs="?", const="unit_tests.json", type=Path)
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--n", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    proposer = ladder.load("programs-105k")
    print(f"{options.problems} problems a level, {options.n} samples of each")
    table = {}
    for level in problems.programs.LEVELS:
        table[level] = measure(
            level, proposer=proposer, n_problems=options.problems, n=options.n,
            seed=options.seed,
        )  # fmt: skip
        for name, estimate in table[level].items():
            print(f"level {level}  {name:31} {estimate}")
    if options.json:
        rows = {k: {name: vars(e) for name, e in v.items()} for k, v in table.items()}
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
