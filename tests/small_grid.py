"""A small grid for tests: two policies, a few problems, made in a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tts_lab.grid import matched, options, store, tables

PROBLEMS, SAMPLES = 30, 16


def write(folder: Path, *, domain: str = "chains", greedy: float = 0.6) -> None:
    """Pools and their tables of every pair: skill falls along the problems."""
    rng = np.random.default_rng(7)
    skill = np.linspace(0.95, 0.02, PROBLEMS)
    for small, large in matched.PAIRS.values():
        for policy in (small, large):
            right = rng.random((PROBLEMS, SAMPLES)) < skill[:, None]
            wrong = rng.integers(1, 5, right.shape)
            pool = store.Pools(
                policy, domain, np.where(right, 0, wrong), right,
                np.full(right.shape, 20),
                {"prm-a": 0.5 * right + 0.5 * rng.random(right.shape)},
                {"prm-a": np.full(right.shape, 20)},
                rng.random(PROBLEMS) < greedy, 0,
            )  # fmt: skip
            store.write_pools(pool, folder=folder)
            tables.write(
                f"table-pools-{policy}-{domain}", tables.of_pools(pool), folder=folder
            )


def use(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the grid be read from another folder."""
    for function in (store.pools, tables.pools, options.difficulty):
        monkeypatch.setitem(function.__kwdefaults__, "folder", folder)
