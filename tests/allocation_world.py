"""Options whose best one in each bin is known, and a small grid folder of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tts_lab.allocate import Option
from tts_lab.difficulty import Difficulty, quantiles
from tts_lab.grid import store, tables

PROBLEMS, BINS = 240, 3
BUDGETS = (1, 2, 4, 8, 16, 32, 64)
#: accuracy in each bin at 1 sample and at 64, straight in the log between
TRUTH = {
    "best-of-n": ((0.8, 0.9), (0.3, 0.5), (0.05, 0.1)),
    "majority": ((0.8, 0.98), (0.3, 0.3), (0.05, 0.05)),
    "beam search": ((0.5, 0.7), (0.35, 0.85), (0.05, 0.15)),
    "REBASE": ((0.4, 0.5), (0.3, 0.4), (0.1, 0.6)),
}
BEST = ("majority", "beam search", "REBASE")


def options(problems: int = PROBLEMS) -> list[Option]:
    """One for each kind and budget; the accuracy of a bin is spread evenly in it."""
    number = np.repeat(np.arange(BINS), problems // BINS)
    wobble = np.tile([-0.02, 0.02], problems // 2)
    found = []
    for name, ends in TRUTH.items():
        low, high = np.array(ends)[number].T
        for i, n in enumerate(BUDGETS):
            right = low + (high - low) * i / (len(BUDGETS) - 1) + wobble
            found.append(Option.of(f"{name}, n = {n}", right, n))
    return found


def oracle(problems: int = PROBLEMS) -> Difficulty:
    """The bins that the options were made for; easiest first."""
    return quantiles(np.linspace(1, 0, problems), bins=BINS, samples=16)


def predicted(problems: int = PROBLEMS) -> Difficulty:
    """Bins that have nothing to do with them."""
    value = np.random.default_rng(1).random(problems)
    return quantiles(value, bins=BINS, kind="predicted", samples=16)


def write_grid(folder: Path, *, per_level: int = 8, n: int = 16) -> None:
    """Pools, searches and revisions on countdown as the recipe would store them.

    Majority wins on easy problems, beam search on hard ones.
    """
    rng = np.random.default_rng(0)
    whole = len(store.levels("countdown"))
    ease = np.linspace(0.95, 0.05, whole)
    for policy, verifiers in (("105k", ("prm-a", "prm-x")), ("380k", ("prm-a",))):
        right = rng.random((whole, n)) < ease[:, None]
        answer = np.where(right, 0, 1)
        scores = {v: 0.05 * right + 0.95 * rng.random((whole, n)) for v in verifiers}
        tokens = np.full((whole, n), 20)
        made = store.Pools(
            policy, "countdown", answer, right, tokens, scores,
            {v: tokens for v in verifiers}, right[:, 0], 1,
        )  # fmt: skip
        store.write_pools(made, folder=folder)
        tables.write(
            f"table-pools-{policy}-countdown", tables.of_pools(made), folder=folder
        )
    cells = []
    for verifier, share in (("prm-a", per_level), ("prm-x", per_level // 2)):
        mine = ease[store.rows("countdown", share)]
        for size in (4, 16):
            for strategy, shift in (("beam search", 0.4), ("DVTS", -0.1)):
                right = tuple(np.clip(0.6 + shift - 0.5 * mine, 0, 1).tolist())
                spent = (20.0 * size,) * len(mine)
                cells.append(store.Cell(
                    "countdown", "105k", verifier, strategy, size, share, 1, 1,
                    {"best-of-n": right, "weighted vote": right}, spent, spent,
                ))  # fmt: skip
    store.write_cells("countdown", cells, folder=folder)
    few = len(store.rows("countdown", per_level))
    for width, steps in ((4, 4), (8, 2)):
        shape = (few, width, steps)
        mine = ease[store.rows("countdown", per_level), None, None]
        right = rng.random(shape) < mine
        store.write_chains(
            store.Chains(
                "reviser-380k", "countdown", "prm-a",
                store.rows("countdown", per_level),
                np.where(right, 0, 1 + rng.integers(9, size=shape)), right,
                right * 0.5 + 0.1, np.full(shape, 20), np.full(shape, 5), 1,
            ),
            folder=folder,
        )  # fmt: skip
    tables.write(
        "table-chains-reviser-380k-countdown",
        tables.of_chains(store.chains("reviser-380k", "countdown", folder=folder)),
        folder=folder,
    )
