"""The check of exercise 7's stopping rule: as accurate as all samples, with fewer.

Promises: a rule sees the answers drawn so far and nothing else; it is played on pools
of every difficulty, in random orders, with a majority at the end. Not covered: rules
that use a verifier's scores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tts_lab.bootstrap import IntArray
from tts_lab.exercises.report import Report
from tts_lab.exercises.words import show, show_error
from tts_lab.stopping import play
from tts_lab.subsets import Pool, majority

Enough = Callable[[IntArray], bool]

PROBLEMS, SAMPLES, ORDERS = 200, 32, 3
MOST = 20.0  # samples on average
LOSS = 0.03  # of accuracy, at most
#: chance of the right answer and of the most frequent wrong one, per difficulty
_KINDS = ((0.9, 0.04), (0.45, 0.3), (0.5, 0.3), (0.1, 0.5))


def stopping(answer: Enough, seed: int) -> Report:
    """Check `enough(answers)`: whether no more samples are needed."""
    for answers, wanted, cause in _PLAIN:
        found = _asked(answer, np.array(answers, np.int64))
        if isinstance(found, Exception):
            return _failed("raised " + type(found).__name__, answers,
                           show_error(found, answer), show(wanted))  # fmt: skip
        if not isinstance(found, bool | np.bool_):
            return _failed(f"wrong type: {type(found).__name__} instead of True or "
                           "False", answers, show(found), show(wanted),
                           _NOTHING if found is None else "")  # fmt: skip
        if bool(found) != wanted:
            return _failed("wrong value", answers, show(bool(found)), show(wanted),
                           cause)  # fmt: skip
    pools = _pools(seed)
    whole = play(pools, lambda pool: SAMPLES, majority, orders=1)
    counts: list[int] = []

    def stop(pool: Pool) -> int:
        counts.append(_stop(answer, pool.answer))
        return counts[-1]

    try:
        yours = play(pools, stop, majority, orders=ORDERS, seed=seed)
    except NotImplementedError:
        raise
    except Exception as error:
        return _failed(f"raised {type(error).__name__}", [], show_error(error, answer),
                       "True or False")  # fmt: skip
    right, drawn = float(yours.right.mean()), float(yours.drawn.mean())
    goal = float(whole.right.mean())
    fixed = min(counts) == max(counts)
    if right >= goal - LOSS and drawn <= MOST and not fixed:
        return Report(
            "stopping", True, f"{_share(right)} right with {drawn:.1f} samples on "
            f"average; all {SAMPLES} get {_share(goal)}",
        )  # fmt: skip
    message = "too many samples" if drawn > MOST else "it stops too early"
    message = "always the same number of samples" if fixed else message
    return Report(
        "stopping", False, message,
        on_input=f"{PROBLEMS} problems, up to {SAMPLES} samples each, a majority over "
        "those drawn",
        given=f"{_share(right)} right, {drawn:.1f} samples on average",
        expected=f"at least {_share(goal - LOSS)} right ({SAMPLES} samples get "
        f"{_share(goal)}), at most {MOST:g} samples",
        likely_cause=_cause(counts, right >= goal - LOSS, drawn),
    )  # fmt: skip


def _cause(counts: Sequence[int], right: bool, drawn: float) -> str:
    if min(counts) == max(counts) == SAMPLES:
        return "it never says that it is enough"
    if min(counts) == max(counts):
        return (
            f"it draws {counts[0]} samples of every problem, whatever they say: that "
            "is a fixed n. Look at the answers"
        )
    if drawn <= MOST:
        return (
            "it is content too soon: how easily could the second answer still overtake "
            "the first? A few equal answers say little when others are close behind"
        )
    if right:
        return (
            "it is right, but late: where one answer is far ahead, the rest of the "
            "samples changes nothing"
        )
    return (
        "it draws many samples of easy problems and few of those where two answers "
        "are close: it should be the other way round"
    )


def _stop(answer: Enough, answers: IntArray) -> int:
    """After how many samples the rule has enough."""
    for count in range(1, len(answers)):
        if answer(answers[:count].copy()):
            return count
    return len(answers)


def _asked(answer: Enough, answers: IntArray) -> object:
    try:
        return answer(answers.copy())
    except NotImplementedError:
        raise
    except Exception as error:
        return error


def _pools(seed: int) -> list[Pool]:
    rng = np.random.default_rng(seed)
    pools = []
    for p in range(PROBLEMS):
        first, second = _KINDS[p % len(_KINDS)]
        others = (1 - 0.04 - first - second) / 5
        drawn = rng.choice(
            [0, 1, -1, 2, 3, 4, 5, 6], SAMPLES,
            p=[first, second, 0.04, *[max(others, 0.0)] * 5],
        )  # fmt: skip
        pools.append(Pool(drawn, drawn == 0, np.zeros(SAMPLES)))
    return pools


def _failed(
    message: str, answers: Sequence[int], given: str, expected: str, cause: str = ""
) -> Report:
    words = f"answers={show(list(answers))}" if answers else "answers of a pool"
    return Report("stopping", False, message, on_input=words, given=given,
                  expected=expected, likely_cause=cause)  # fmt: skip


def _share(value: float) -> str:
    return f"{100 * value:.1f}%"


_NOTHING = "nothing is returned: the function ends without `return`"
_PLAIN: tuple[tuple[list[int], bool, str], ...] = (
    ([7] * 12, True, "twelve answers, all the same: what more could come?"),
    ([-1] * 12, False,
     "-1 is a sample without an answer; it does not vote, and here nobody has"),
    ([7, 8] * 4, False, "two answers with four votes each: nothing is decided"),
    ([8, 7, 8, 7, 7], False,
     "three votes against two: the next sample can make them equal"),
)  # fmt: skip
