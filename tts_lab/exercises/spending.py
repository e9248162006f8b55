"""Checks of exercise 9's costs: FLOPs of a small model with a verifier, and how many n.

Promises: `total_flops` compares with 6 N D for training and 2 N D for use (Snell et al.
2408.03314 sec. 7; Liu et al. 2502.06703, Table 4), in exact whole numbers;
`smallest_n` with the curve's points one by one. Not covered: attention, prompts, and
what training the verifier cost.
"""

from __future__ import annotations

import random

import numpy as np
import numpy.typing as npt

from tts_lab.bootstrap import FloatArray, IntArray
from tts_lab.exercises.grading import Answer, Case, Mistake, grade
from tts_lab.exercises.report import Report

#: parameters, trained, problems, n, tokens, reader
Spent = tuple[int, int, int, int, int, int]


def total_flops(answer: Answer, seed: int) -> Report:
    """Check `total_flops(parameters, trained, problems, n, tokens, reader)`."""
    given: list[Spent] = [
        (1_000, 50_000, 10, 4, 100, 300),
        (1_000, 50_000, 10, 4, 100, 0),
        (400_000, 12_000_000, 250, 1, 40, 0),
        (100_000, 12_000_000, 250, 64, 40, 1_000_000),
        (3 * 10**9, 9 * 10**12, 500, 256, 400, 7 * 10**9),
    ]
    rng = random.Random(seed)
    given += [
        (rng.randrange(10**3, 10**6), rng.randrange(10**6, 10**8), rng.randrange(2, 99),
         rng.randrange(2, 99), rng.randrange(9, 99), rng.randrange(10**3, 10**6))
        for _ in range(3)
    ]  # fmt: skip
    names = ("parameters", "trained", "problems", "n", "tokens", "reader")
    cases = [
        Case(dict(zip(names, one, strict=True)), _spent(*one),
             "a verifier of 0 parameters is one that is not counted"
             if not one[5] else "")
        for one in given
    ]  # fmt: skip
    return grade("total_flops", answer, cases, mistakes=_FLOPS)


def smallest_n(answer: Answer, seed: int) -> Report:
    """Check `smallest_n(ns, mean, low, large)`: passed with confidence, or None."""
    rng = np.random.default_rng(seed)
    ns = np.array([1, 2, 4, 8, 16, 32, 64])
    mean = np.array([0.1, 0.25, 0.4, 0.5, 0.6, 0.65, 0.7])
    low = mean - 0.12
    # a verifier that is fooled: up, and down again
    fooled = np.array([0.2, 0.35, 0.5, 0.6, 0.55, 0.4, 0.3])
    early = np.array([0.25, 0.5, 0.45, 0.3, 0.25, 0.2, 0.1])
    equal = "equal is not passed: the lower end has to be above"
    never = "the lower end may never get there: None, which no n can be mistaken for"
    given = [
        (mean, low, 0.45, ""),
        (mean, low, 0.05, ""),
        (mean, low, float(low[3]), equal),
        (fooled, fooled - 0.05, 0.42, ""),
        (early, early - 0.05, 0.42, ""),
        (mean, low, 0.6, never),
        (mean, low, 0.8, never),
        (fooled, fooled - 0.3, 0.45, never),
    ]
    for _ in range(3):
        drawn = np.sort(rng.uniform(0, 0.9, ns.size))
        lower = drawn - rng.uniform(0.02, 0.2)
        given.append((drawn, lower, float(rng.uniform(lower[1], lower[-1])), ""))
    cases = [
        Case({"ns": ns, "mean": centre, "low": lower, "large": large},
             _first(ns, lower > large), hint)
        for centre, lower, large, hint in given
    ]  # fmt: skip
    return grade("smallest_n", answer, cases, mistakes=_PASSES)


def _spent(
    parameters: int, trained: int, problems: int, n: int, tokens: int, reader: int
) -> tuple[float, float]:
    written = problems * n * tokens
    training = 6 * parameters * trained
    return float(training), float(2 * (parameters + reader) * written)


def _first(ns: IntArray, above: npt.NDArray[np.bool_]) -> int | None:
    return int(ns[above][0]) if above.any() else None


def _settled(ns: IntArray, low: FloatArray, large: float) -> int | None:
    """From which n on it never falls back."""
    below = np.flatnonzero(low <= large)
    after = int(below[-1]) + 1 if below.size else 0
    return int(ns[after]) if after < ns.size else None


_FLOPS = (
    Mistake(
        "the factors are the wrong way round: training costs 6 for each parameter and "
        "token, forward and backward; use costs 2, forward alone",
        lambda N, D, problems, n, tokens, V: (
            2 * N * D, 6 * (N + V) * problems * n * tokens
        ),
    ),
    Mistake(
        "using a model has no backward pass: a token that is written or read costs 2 "
        "for each parameter, not 6",
        lambda N, D, problems, n, tokens, V: (
            6 * N * D, 6 * (N + V) * problems * n * tokens
        ),
    ),
    Mistake(
        "training has a backward pass too, twice as dear as the forward one: 6 for "
        "each parameter and token, not 2",
        lambda N, D, problems, n, tokens, V: (
            2 * N * D, 2 * (N + V) * problems * n * tokens
        ),
    ),
    Mistake(
        "the verifier is left out: it reads every token that is written, at 2 for each "
        "of its own parameters",
        lambda N, D, problems, n, tokens, V: (
            6 * N * D, 2 * N * problems * n * tokens
        ),
    ),
    Mistake(
        "the verifier reads one sample of each problem; it has to read all n of them",
        lambda N, D, problems, n, tokens, V: (
            6 * N * D, 2 * N * problems * n * tokens + 2 * V * problems * tokens
        ),
    ),
    Mistake(
        "the verifier reads with the policy's parameters; it has its own",
        lambda N, D, problems, n, tokens, V: (
            6 * N * D, 4 * N * problems * n * tokens
        ),
    ),
    Mistake(
        "the verifier's parameters multiply the policy's; they are two models that "
        "both see every token, so their FLOPs add up",
        lambda N, D, problems, n, tokens, V: (
            6 * N * D, 2 * N * max(V, 1) * problems * n * tokens
        ),
    ),
    Mistake(
        "the verifier is trained here as well; only its reading is asked for",
        lambda N, D, problems, n, tokens, V: (
            6 * (N + V) * D, 2 * (N + V) * problems * n * tokens
        ),
    ),
    Mistake(
        "n is forgotten: n samples are written and read for each problem",
        lambda N, D, problems, n, tokens, V: (
            6 * N * D, 2 * (N + V) * problems * tokens
        ),
    ),
    Mistake(
        "this is the inference for one problem; there are `problems` of them",
        lambda N, D, problems, n, tokens, V: (6 * N * D, 2 * (N + V) * n * tokens),
    ),
    Mistake(
        "training is paid again for every problem; it is paid once",
        lambda N, D, problems, n, tokens, V: (
            6 * N * D * problems, 2 * (N + V) * problems * n * tokens
        ),
    ),
    Mistake(
        "training is paid again for every sample; it is paid once",
        lambda N, D, problems, n, tokens, V: (
            6 * N * D * n, 2 * (N + V) * problems * n * tokens
        ),
    ),
    Mistake(
        "the two parts are the wrong way round: first training, then inference",
        lambda *given: _spent(*given)[::-1],
    ),
    Mistake(
        "the two parts are added up; return both, for training is paid once and "
        "inference for every problem",
        lambda *given: sum(_spent(*given)),
    ),
)  # fmt: skip

_PASSES = (
    Mistake(
        "the mean is above, but the lower end of its interval is not: this n may have "
        "passed by luck",
        lambda ns, mean, low, large: _first(ns, mean > large),
    ),
    Mistake(
        "equal is counted as passed; it has to be above, so `>` and not `>=`",
        lambda ns, mean, low, large: _first(ns, low >= large),
    ),
    Mistake(
        "this is the position in the list; wanted is the n that stands there",
        lambda ns, mean, low, large: _first(np.arange(ns.size), low > large),
    ),
    Mistake(
        "this is the largest n that passes; wanted is the smallest",
        lambda ns, mean, low, large: _first(ns[::-1], (low > large)[::-1]),
    ),
    Mistake(
        "this is the n with the best curve; a smaller one may pass already",
        lambda ns, mean, low, large: (
            int(ns[np.argmax(low)]) if (low > large).any() else None
        ),
    ),
    Mistake(
        "this asks from where on the curve stays above; a verifier may be fooled by "
        "more samples, and then it falls again. Wanted is the first n that passes",
        lambda ns, mean, low, large: _settled(ns, low, large),
    ),
    Mistake(
        "`searchsorted` wants a curve that only rises; with a verifier that is fooled "
        "it falls again",
        lambda ns, mean, low, large: (
            int([*ns, 0][np.searchsorted(low, large, side="right")]) or None
        ),
    ),
    Mistake(
        "this is the largest n that does not pass yet; the next one is wanted",
        lambda ns, mean, low, large: (
            int(ns[low <= large][-1]) if (low <= large).any() else None
        ),
    ),
    Mistake(
        "where no n passes, `argmax` finds position 0 all the same; ask whether any "
        "does, and return None",
        lambda ns, mean, low, large: int(ns[np.argmax(low > large)]),
    ),
    Mistake(
        "where no n passes, the search ends in an error; return None there",
        lambda ns, mean, low, large: int(ns[low > large][0]),
    ),
    Mistake(
        "the interval is on the wrong side: how far the mean may be *below* is asked",
        lambda ns, mean, low, large: _first(ns, 2 * mean - low > large),
    ),
)
