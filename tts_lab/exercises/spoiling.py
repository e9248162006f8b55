"""Checks of exercise 6's rates: pass@1 by step, right turned wrong, and where it ends.

Promises: rates are counted over the pairs of neighbours in a chain, one by one in
NumPy; where a chain settles is found by going on until nothing changes, not by the
formula that is asked for. Not covered: models (outcomes are given as True and False).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tts_lab.exercises.grading import Answer, Case, Mistake, close_or_nan, grade
from tts_lab.exercises.report import Report

Outcomes = npt.NDArray[np.bool_]

_STILL = (
    "where nothing is spoiled and nothing mended, a chain stays where it began, "
    "wherever that is: `np.nan`"
)

#: 2 to this power are the attempts after which a chain is taken to be settled
DOUBLINGS = 24


def pass_per_step(answer: Answer, seed: int) -> Report:
    """Check `pass_per_step(right)`: the share of right attempts at each step."""
    two = [[[0, 1, 1], [0, 0, 1]], [[1, 0, 0], [1, 1, 0]]]
    one = [[[0, 1, 0, 0]]]
    tables = [np.array(two), np.array(one), *_drawn(seed, [(5, 2, 4), (3, 4, 6)])]
    cases = [
        Case({"right": table.astype(bool)}, _by_step(table.astype(bool)))
        for table in tables
    ]
    return grade("pass_per_step", answer, cases, mistakes=_STEPS)


def spoil_and_mend(answer: Answer, seed: int) -> Report:
    """Check `spoil_and_mend(right)`: how often right turns wrong, and wrong right."""
    unknown = (
        "where nothing is right nothing can be spoiled, and the rate is unknown: "
        "`np.nan`, and no error. The same for mending"
    )
    hand = [[[1, 1, 0, 0], [0, 1, 1, 1]], [[0, 0, 0, 1], [1, 0, 1, 0]]]
    given: list[tuple[npt.ArrayLike, str]] = [
        (hand, ""),
        ([[[1, 0, 1]], [[1, 1, 1]], [[0, 0, 0]]], ""),
        *[(table, "") for table in _drawn(seed, [(6, 2, 4), (4, 3, 8)])],
        ([[[0, 0], [0, 0]]], unknown),
        ([[[1, 1], [1, 0]]], unknown),
        ([[[1], [0]]], unknown),
    ]
    cases = []
    for table, hint in given:
        right = np.array(table).astype(np.bool_)
        cases.append(Case({"right": right}, _rates(right), hint))
    return grade(
        "spoil_and_mend", answer, cases, mistakes=_RATES, same=close_or_nan
    )  # fmt: skip


def settles(answer: Answer, seed: int) -> Report:
    """Check `settles(mend, spoil)`: the pass@1 at which a long chain stands still."""
    slow = (
        "with rates this small it takes thousands of attempts; do not go there step by "
        "step, ask which p stays as it is: as much mended as spoiled"
    )
    rng = np.random.default_rng(seed)
    drawn = rng.uniform(0.02, 0.9, (3, 2)).round(3).tolist()
    given = [
        (0.25, 0.25, ""), (0.1, 0.3, ""), (0.3, 0.1, ""), *[(a, b, "") for a, b in
         drawn], (0.5, 0.0, ""), (0.0, 0.5, ""), (0.001, 0.003, slow),
        (0.0, 0.0, _STILL),
    ]  # fmt: skip
    cases = [
        Case({"mend": mend, "spoil": spoil}, _far(mend, spoil), hint)
        for mend, spoil, hint in given
    ]
    return grade("settles", answer, cases, mistakes=_SETTLES, same=close_or_nan)


def _drawn(seed: int, shapes: list[tuple[int, int, int]]) -> list[Outcomes]:
    """Chains that are spoiled and mended at rates that differ among problems."""
    rng = np.random.default_rng(seed)
    tables = []
    for problems, chains, steps in shapes:
        mend = rng.uniform(0.1, 0.5, (problems, 1))
        spoil = rng.uniform(0.1, 0.6, (problems, 1))
        right = np.empty((problems, chains, steps), np.bool_)
        right[:, :, 0] = rng.random((problems, chains)) < 0.4
        for step in range(1, steps):
            before, luck = right[:, :, step - 1], rng.random((problems, chains))
            right[:, :, step] = np.where(before, luck >= spoil, luck < mend)
        tables.append(right)
    return tables


def _by_step(right: Outcomes) -> npt.NDArray[np.float64]:
    share: npt.NDArray[np.float64] = right.mean(axis=(0, 1))
    return share


def _share(chosen: npt.NDArray[np.bool_]) -> float:
    return float(chosen.mean()) if chosen.size else math.nan


def _rates(right: Outcomes) -> tuple[float, float]:
    before, after = right[..., :-1], right[..., 1:]
    return _share(~after[before]), _share(after[~before])


def _each(right: Outcomes) -> tuple[float, float]:
    rates = np.array([_rates(one) for one in right])
    spoil, mend = (np.nanmean(rates[:, i]) for i in (0, 1))
    return float(spoil), float(mend)


def _joint(right: Outcomes) -> tuple[float, float]:
    before, after = right[..., :-1], right[..., 1:]
    return _share(before & ~after), _share(~before & after)


def _with_last(right: Outcomes) -> tuple[float, float]:
    before, after = right[..., :-1], right[..., 1:]
    return (
        float((before & ~after).sum() / right.sum()),
        float((~before & after).sum() / (~right).sum()),
    )


def _backwards(right: Outcomes) -> tuple[float, float]:
    before, after = right[..., :-1], right[..., 1:]
    return _share(before[~after]), _share(~before[after])


def _far(mend: float, spoil: float) -> float:
    """pass@1 after 2^24 attempts, from wherever it began."""
    if mend == spoil == 0:
        return math.nan
    step = np.array([[1 - spoil, spoil], [mend, 1 - mend]])
    for _ in range(DOUBLINGS):
        step = step @ step
        step /= step.sum(axis=1, keepdims=True)  # rounding adds up
    return float(step[:, 0].mean())


def _after(steps: int, start: float) -> Answer:
    """pass@1 after some attempts, step by step."""

    def settles(mend: float, spoil: float) -> float:
        p = start
        for _ in range(steps):
            p = p * (1 - spoil) + (1 - p) * mend
        return p

    return settles


_STEPS = (
    Mistake(
        "this is coverage along the chain, whether any attempt so far is right; pass@1 "
        "at a step asks about that attempt alone",
        lambda right: _by_step(np.maximum.accumulate(right, axis=2)),
    ),
    Mistake(
        "this is coverage of the chains, whether any chain is right at a step; the "
        "mean over chains is wanted",
        lambda right: right.any(axis=1).mean(axis=0),
    ),
    Mistake(
        "this is the majority of the chains; the mean over chains is wanted",
        lambda right: (right.mean(axis=1) > 0.5).mean(axis=0),
    ),
    Mistake(
        "the mean is taken over the steps, one number for each problem; wanted is one "
        "for each step, the last axis",
        lambda right: right.mean(axis=(1, 2)),
    ),
    Mistake(
        "the mean is taken over the steps, one number for each chain; wanted is one "
        "for each step, the last axis",
        lambda right: right.mean(axis=(0, 2)),
    ),
    Mistake("the mean over chains is missing: this is the table of chains and steps",
            lambda right: right.mean(axis=0)),
    Mistake("the mean over problems is missing: this is the table of problems and "
            "steps", lambda right: right.mean(axis=1)),
    Mistake("these are counts; divide by the number of attempts at each step",
            lambda right: right.sum(axis=(0, 1))),
    Mistake("this is one number for all steps together; wanted is one for each step",
            lambda right: right.mean()),
    Mistake("only the first chain is looked at; the mean is over all chains",
            lambda right: right[:, 0].mean(axis=0)),
)  # fmt: skip

_RATES = (
    Mistake(
        "the two rates are the wrong way round: first spoil, then mend",
        lambda right: _rates(right)[::-1],
    ),
    Mistake(
        "these are shares of all pairs. Divide the spoiled ones by those that could be "
        "spoiled, the attempts that are right; likewise the mended ones by the wrong",
        _joint,
    ),
    Mistake(
        "the last attempts are counted among those that could be spoiled or mended, "
        "but nothing follows them: leave the last step out of the denominator",
        _with_last,
    ),
    Mistake(
        "these are the shares that stay right, and that stay wrong; what changes was "
        "asked",
        lambda right: tuple(1 - rate for rate in _rates(right)),
    ),
    Mistake(
        "this looks back: of the attempts that are wrong, how many were right before. "
        "Divide by what there was before the revision",
        _backwards,
    ),
    Mistake(
        "only the first and the last attempt are compared; every attempt is, with the "
        "next one of its chain",
        lambda right: _rates(right[..., [0, -1]]),
    ),
    Mistake(
        "only the first revision is looked at; every attempt counts, with the next one "
        "of its chain",
        lambda right: _rates(right[..., :2]),
    ),
    Mistake(
        "the last attempt of one chain is compared with the first of the next: `[..., "
        ":-1]` and `[..., 1:]` keep the chains apart",
        lambda right: _rates(right.ravel()),
    ),
    Mistake(
        "attempts of different chains are compared; the steps are the last axis",
        lambda right: _rates(right.transpose(0, 2, 1)),
    ),
    Mistake(
        "each problem's rates are averaged; here all pairs are thrown into one pot, as "
        "some problems have hardly any",
        _each,
    ),
    Mistake(
        "where there is nothing to spoil or mend the rate is unknown, `np.nan`, not 0",
        lambda right: tuple(np.nan_to_num(_rates(right))),
    ),
)

_SETTLES = (
    Mistake(_STILL, lambda mend, spoil: mend / (mend + spoil)),
    Mistake(_STILL, lambda mend, spoil: mend / max(mend + spoil, 1e-300)),
    Mistake(_STILL, lambda mend, spoil: mend / (mend + spoil) if mend + spoil else 0.5),
    Mistake(
        "this is the share that is wrong in the end: the more is mended, the higher "
        "pass@1",
        lambda mend, spoil: spoil / (mend + spoil),
    ),
    Mistake(
        "these are the odds, right ones for each wrong one; the share of all is wanted",
        lambda mend, spoil: mend / spoil,
    ),
    Mistake(
        "this is the ratio of the rates the wrong way round, and above 1 at that",
        lambda mend, spoil: spoil / mend,
    ),
    Mistake(
        "this is a difference of rates; they are shares of different things, of the "
        "wrong and of the right ones, and cannot be subtracted",
        lambda mend, spoil: mend - spoil,
    ),
    Mistake(
        "this is the share that is not spoiled in one step, whatever is mended",
        lambda mend, spoil: 1 - spoil,
    ),
    Mistake(
        "the two rates do not add up to 1: what is spoiled is a share of the right "
        "ones, what is mended one of the wrong ones",
        lambda mend, spoil: mend,
    ),
    *(
        Mistake(
            "it has not settled yet: after so few attempts it still depends on where "
            "the chain began",
            _after(steps, start),
        )
        for steps in (2, 3, 4, 5, 8, 10, 16, 20, 50, 100, 1_000)
        for start in (0.0, 0.5, 1.0)
    ),
)
