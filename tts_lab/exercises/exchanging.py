"""Checks of exercise 8: matched FLOPs, and what a solved issue costs in money.

Promises: the truth is `tts_lab.exchange`. Not covered: who wins at matched FLOPs
(`tts_lab.exercises.exchanging_tables`).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tts_lab import exchange
from tts_lab.exercises.grading import Case, Mistake, grade
from tts_lab.exercises.report import Report

Two = Callable[[float, float], float]


def matched_inference(answer: Two, seed: int) -> Report:
    """Check `matched_inference(m, r)`: by how much inference may be multiplied."""
    rng = np.random.default_rng(seed)
    never = "an R of 0 has no match: nothing is ever answered. Raise a ValueError"
    same = "a model as large as itself saves nothing: 1"
    given = [(2.0, 1.0, ""), (14.0, 0.16, ""), (14.0, 0.79, ""), (14.0, 22.0, ""),
             (1.0, 0.5, same), (5.0, 1e6, "")]  # fmt: skip
    given += [(float(m), float(r), "") for m, r in rng.uniform(1, 50, (3, 2))]
    cases = [_two("m", m, "r", r, exchange.multiplier(m, r), hint)
             for m, r, hint in given]  # fmt: skip
    cases += [_two("m", 14.0, "r", r, ValueError, never) for r in (0.0, -1.0)]
    return grade("matched_inference", answer, cases, mistakes=_MULTIPLIERS)


def same_cost(answer: Two, seed: int) -> Report:
    """Check `same_cost(m, k)`: the R at which k answers cost as much as one larger."""
    rng = np.random.default_rng(seed)
    dear = "with k of M or less the smaller model is cheaper at every R: a ValueError"
    given = [(2.0, 4.0), (10.0, 100.0), (14.0, 256.0), (14.0, 16.0), (1.5, 300.0)]
    given += [(float(m), float(m + k)) for m, k in rng.uniform(1.1, 60, (3, 2))]
    cases = [_two("m", m, "k", k, exchange.ratio_at(m, k)) for m, k in given]
    cases += [_two("m", 14.0, "k", k, ValueError, dear) for k in (14.0, 4.0)]
    return grade("same_cost", answer, cases, mistakes=_RATIOS)


def cost_per_solved(answer: Callable[..., float], seed: int) -> Report:
    """Check `cost_per_solved(price, attempts, solved)`, in dollars."""
    rng = np.random.default_rng(seed)
    none = "where nothing is solved, no money is enough: `np.inf`"
    given = [(0.5, 2, 0.25, ""), (0.13, 1, 0.24, ""), (0.0072, 5, 0.2962, ""),
             (1.0, 1, 1.0, ""), (0.0072, 5, 0.0, none)]  # fmt: skip
    given += [(float(rng.uniform(0.01, 1)), int(rng.integers(1, 50)),
               float(rng.uniform(0.05, 1)), "") for _ in range(3)]  # fmt: skip
    cases = [
        Case({"price": price, "attempts": attempts, "solved": solved},
             _per_solved(price, attempts, solved), hint)
        for price, attempts, solved, hint in given
    ]  # fmt: skip
    return grade("cost_per_solved", answer, cases, mistakes=_COSTS)


def _two(
    first: str, a: float, second: str, b: float, expected: object, hint: str = ""
) -> Case:
    return Case({first: a, second: b}, expected, hint)


def _positive(formula: Two) -> Two:
    """A wrong multiplier that refuses what the right one refuses."""

    def imitate(m: float, r: float) -> float:
        if r <= 0:
            raise ValueError
        return formula(m, r)

    return imitate


_MULTIPLIERS = tuple(
    Mistake(cause, _positive(formula))
    for cause, formula in (
        (
            "only inference is compared: what the larger model's pretraining cost more "
            "can be spent on inference too",
            lambda m, r: m,
        ),
        (
            "only the pretraining that is saved is spent: the larger model's one "
            "answer costs M times as much too",
            lambda m, r: 3 * (m - 1) / r,
        ),
        (
            "the smaller model is not pretrained here: of 6 M N D it saves only "
            "6 (M - 1) N D",
            lambda m, r: m + 3 * m / r,
        ),
        (
            "R is used upside down: it is inference tokens for each pretraining token, "
            "so D_inference = R D_pretrain",
            lambda m, r: m + 3 * (m - 1) * r,
        ),
        (
            "a training token costs 6 N and a generated one 2 N: three times as much, "
            "not the same",
            lambda m, r: m + (m - 1) / r,
        ),
        (
            "the saved FLOPs are divided by N and not by the 2 N of a generated token",
            lambda m, r: m + 6 * (m - 1) / r,
        ),
        (
            "6 and 2 have changed places: training costs 6 N a token, inference 2 N",
            lambda m, r: m + (m - 1) / (3 * r),
        ),
        (
            "this is how much longer the smaller model could be trained, not how much "
            "more it may generate",
            lambda m, r: m + (m - 1) * r / 3,
        ),
    )
)


def _above(formula: Two) -> Two:
    """A wrong ratio that refuses what the right one refuses."""

    def imitate(m: float, k: float) -> float:
        if k <= m:
            raise ValueError
        return formula(m, k)

    return imitate


_RATIOS = (
    *(
        Mistake(cause, _above(formula))
        for cause, formula in (
            (
                "this is the ratio upside down: pretraining tokens for each inference "
                "token",
                lambda m, k: (k - m) / (3 * (m - 1)),
            ),
            (
                "the larger model answers as well, at M times the price: of k only "
                "k - M are paid for by pretraining",
                lambda m, k: 3 * (m - 1) / k,
            ),
            (
                "a training token costs three times a generated one; the 3 is missing",
                lambda m, k: (m - 1) / (k - m),
            ),
            (
                "the smaller model is pretrained too: the difference is M - 1 times "
                "its pretraining, not M",
                lambda m, k: 3 * m / (k - m),
            ),
            (
                "k is the inference of the smaller model; what `matched_inference` "
                "says for an R of k is the other way round",
                lambda m, k: m + 3 * (m - 1) / k,
            ),
        )
    ),
    Mistake(
        "with k of M or less there is no such R, and a negative one is no ratio of "
        "tokens: raise a ValueError",
        lambda m, k: 3 * (m - 1) / (k - m) if k != m else math.inf,
    ),
)


def _per_solved(price: float, attempts: int, solved: float) -> float:
    return price * attempts / solved if solved else math.inf


_COSTS = (
    Mistake(
        "this is the cost of an issue, solved or not; divide by the share that is "
        "solved",
        lambda price, attempts, solved: price * attempts,
    ),
    Mistake(
        "one attempt is paid for; all of them are, also those that fail",
        lambda price, attempts, solved: _per_solved(price, 1, solved),
    ),
    Mistake(
        "multiplying by the share that is solved makes a worse model cheaper; divide",
        lambda price, attempts, solved: price * attempts * solved,
    ),
    Mistake(
        "the attempts are divided by; more of them cost more",
        lambda price, attempts, solved: _per_solved(price / attempts, 1, solved),
    ),
    Mistake(
        "this is how many issues a dollar solves; wanted are dollars for an issue",
        lambda price, attempts, solved: solved / (price * attempts),
    ),
)
