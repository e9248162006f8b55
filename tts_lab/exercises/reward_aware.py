"""The check of exercise 9's choice: verifier and strategy together, judged elsewhere.

Promises: compares with what Liu et al. (2502.06703, sec. 3.1) mean by a reward-aware
choice, on two folds. Not covered: costs (all options cost the same here) and bins of
difficulty (`tts_lab.allocate`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tts_lab.bootstrap import FloatArray, IntArray
from tts_lab.exercises.grading import Answer, Case, Mistake, grade
from tts_lab.exercises.report import Report

#: (V, S, P) outcomes -> which verifier and strategy
Choose = Callable[[FloatArray], tuple[int, int]]


def reward_aware(answer: Answer, seed: int) -> Report:
    """Check `reward_aware(right, fold)`: choose on one fold, judge on the other."""
    # what is best on one fold is worst on the other
    trap = np.zeros((2, 3, 4))
    trap[0, 1, :2] = trap[1, 2, 2:] = 1.0
    trap[0, 0] = 0.5
    cases = [
        Case({"right": trap, "fold": np.array([0, 0, 1, 1])}, 0.0,
             "what was chosen on one fold is right there and nowhere else")
    ]  # fmt: skip
    # the best pair is not of the verifier that is better on average
    for means, best in (
        ([[0.0, 1.0, 0.0], [0.75, 0.25, 0.75]], 1.0),
        ([[0.5, 0.25, 0.5], [0.0, 0.25, 0.75]], 0.75),
    ):
        same = np.repeat(np.array(means)[:, :, None], 6, axis=2)
        fold = np.array([0, 1, 1, 0, 1, 1])
        cases.append(Case({"right": same, "fold": fold}, best))
    rng = np.random.default_rng(seed)
    for problems in (12, 20, 31, 25):
        level = rng.uniform(0.2, 0.7, (2, 3, 1))
        right = rng.binomial(4, level, (2, 3, problems)) / 4
        fold = (rng.permutation(problems) < 0.4 * problems).astype(np.int64)
        cases.append(
            Case({"right": right, "fold": fold}, _judged(right, fold, _best),
                 "every problem counts once, by the option that was chosen without it")
        )  # fmt: skip
    return grade("reward_aware", answer, cases, mistakes=_CHOICES)


def _best(right: FloatArray) -> tuple[int, int]:
    """The verifier and strategy with the highest mean, the first of equal ones."""
    verifier, strategy = np.unravel_index(right.mean(axis=2).argmax(), right.shape[:2])
    return int(verifier), int(strategy)


def _first_verifier(right: FloatArray) -> tuple[int, int]:
    return 0, int(right[0].mean(axis=1).argmax())


def _one_by_one(right: FloatArray) -> tuple[int, int]:
    """Verifier and strategy each by its own mean."""
    return (
        int(right.mean(axis=(1, 2)).argmax()),
        int(right.mean(axis=(0, 2)).argmax()),
    )


def _worst(right: FloatArray) -> tuple[int, int]:
    return _best(-right)


def _outcomes(
    right: FloatArray, fold: IntArray, choose: Choose, *, same: bool = False
) -> FloatArray:
    """Of every problem, by the option chosen on the other fold, or on its own."""
    found = np.empty(right.shape[2])
    for one in (0, 1):
        mine = fold == one
        found[mine] = right[*choose(right[:, :, mine if same else ~mine])][mine]
    return found


def _judged(right: FloatArray, fold: IntArray, choose: Choose) -> float:
    return float(_outcomes(right, fold, choose).mean())


def _by_fold(right: FloatArray, fold: IntArray, *, same: bool = False) -> list[float]:
    found = _outcomes(right, fold, _best, same=same)
    return [float(found[fold == one].mean()) for one in (0, 1)]


_CHOICES = (
    Mistake(
        "it is judged on the fold that it was chosen on: there the best of six looks "
        "better than it is, for luck is chosen too. Choose on one fold, judge on the "
        "other",
        lambda right, fold: _outcomes(right, fold, _best, same=True).mean(),
    ),
    Mistake(
        "it is chosen on all problems and judged on the same ones: there the best of "
        "six looks better than it is, for luck is chosen too. Choose on one fold, "
        "judge on the other",
        lambda right, fold: right.mean(axis=2).max(),
    ),
    Mistake(
        "the best option of every single problem is taken: that needs to know the "
        "outcome. One option is chosen for a whole fold",
        lambda right, fold: right.max(axis=(0, 1)).mean(),
    ),
    Mistake(
        "only the first fold is judged; then the other way round, so that every "
        "problem counts",
        lambda right, fold: _by_fold(right, fold)[0],
    ),
    Mistake(
        "only the second fold is judged; then the other way round, so that every "
        "problem counts",
        lambda right, fold: _by_fold(right, fold)[1],
    ),
    Mistake(
        "the means of the two folds are averaged, but they are not equally large: the "
        "mean is over problems",
        lambda right, fold: np.mean(_by_fold(right, fold)),
    ),
    Mistake(
        "the strategy is chosen by its mean over the verifiers, and so is the verifier "
        "over the strategies: what is good with one verifier may be bad with the "
        "other, so choose the pair",
        lambda right, fold: _judged(right, fold, _one_by_one),
    ),
    Mistake(
        "the strategy is chosen with the first verifier alone: which verifier is one "
        "of the choices",
        lambda right, fold: _judged(right, fold, _first_verifier),
    ),
    Mistake(
        "the strategy is chosen by its mean over the verifiers, and judged by it: the "
        "verifier is one of the choices",
        lambda right, fold: _judged(
            right.mean(axis=0, keepdims=True), fold, _first_verifier
        ),
    ),
    Mistake(
        "this is the mean over all options, and nothing is chosen",
        lambda right, fold: right.mean(),
    ),
    Mistake(
        "the worst option is chosen",
        lambda right, fold: _judged(right, fold, _worst),
    ),
)
