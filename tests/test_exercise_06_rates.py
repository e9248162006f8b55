"""Exercise 6: wrong rates and limits of revision, and the cause that each is told."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wrong import JUNK, WrongAnswers, assert_reported, assert_told, mistakes

from tts_lab.exercises import check, spoiling

wrong = WrongAnswers()


@wrong("pass_per_step", "this is coverage along the chain")
def so_far(right):
    return [right[:, :, : i + 1].any(axis=2).mean() for i in range(right.shape[2])]


@wrong("pass_per_step", "coverage of the chains")
def any_chain(right):
    return right.any(axis=1).mean(axis=0)


@wrong("pass_per_step", "majority of the chains")
def most_chains(right):
    return (2 * right.sum(axis=1) > right.shape[1]).mean(axis=0)


@wrong("pass_per_step", "one number for each problem")
def by_problem(right):
    return right.mean(axis=2).mean(axis=1)


@wrong("pass_per_step", "one number for each chain")
def by_number_of_chain(right):
    return right.mean(axis=2).mean(axis=0)


@wrong("pass_per_step", "the mean over chains is missing")
def chains_stay(right):
    return right.mean(axis=0)


@wrong("pass_per_step", "the mean over problems is missing")
def problems_stay(right):
    return right.mean(axis=1)


@wrong("pass_per_step", "these are counts")
def counted(right):
    return right.sum(axis=0).sum(axis=0)


@wrong("pass_per_step", "one number for all steps")
def one_number(right):
    return right.mean()


@wrong("pass_per_step", "only the first chain")
def first_chain(right):
    return right[:, 0].mean(axis=0)


def pairs_of(right):
    for problem in right:
        for chain in problem:
            yield from pairwise(chain)


def share(chosen):
    return sum(chosen) / len(chosen) if chosen else math.nan


def rates(right):
    pairs = list(pairs_of(right))
    return (
        share([not after for before, after in pairs if before]),
        share([bool(after) for before, after in pairs if not before]),
    )


@wrong("spoil_and_mend", "first spoil, then mend")
def swapped(right):
    return rates(right)[::-1]


@wrong("spoil_and_mend", "shares of all pairs")
def of_all_pairs(right):
    pairs = list(pairs_of(right))
    return (
        share([before and not after for before, after in pairs]),
        share([after and not before for before, after in pairs]),
    )


@wrong("spoil_and_mend", "nothing follows them")
def with_the_last(right):
    spoiled = sum(before and not after for before, after in pairs_of(right))
    mended = sum(after and not before for before, after in pairs_of(right))
    return spoiled / right.sum(), mended / (~right).sum()


@wrong("spoil_and_mend", "what changes was asked")
def unchanged(right):
    return tuple(1 - rate for rate in rates(right))


@wrong("spoil_and_mend", "this looks back")
def backwards(right):
    pairs = list(pairs_of(right))
    return (
        share([bool(before) for before, after in pairs if not after]),
        share([not before for before, after in pairs if after]),
    )


@wrong("spoil_and_mend", "only the first and the last")
def ends(right):
    return rates(right[:, :, [0, -1]])


@wrong("spoil_and_mend", "only the first revision")
def first_revision(right):
    return rates(right[:, :, :2])


@wrong("spoil_and_mend", "keep the chains apart")
def flat(right):
    return rates(right.reshape(1, 1, -1))


@wrong("spoil_and_mend", "attempts of different chains")
def across_chains(right):
    return rates(np.swapaxes(right, 1, 2))


@wrong("spoil_and_mend", "one pot")
def of_each_problem(right):
    found = np.array([rates(problem[None]) for problem in right])
    return np.nanmean(found, axis=0)


@wrong("spoil_and_mend", "unknown, `np.nan`, not 0")
def unknown_is_zero(right):
    spoil, mend = rates(right)
    return (0.0 if spoil != spoil else spoil, 0.0 if mend != mend else mend)


@wrong("spoil_and_mend", "and no error")
def divides_by_zero(right):
    pairs = list(pairs_of(right))
    was_right = [after for before, after in pairs if before]
    was_wrong = [after for before, after in pairs if not before]
    spoiled = len(was_right) - sum(was_right)
    return spoiled / len(was_right), sum(was_wrong) / len(was_wrong)


@wrong("settles", "the share that is wrong in the end")
def wrong_in_the_end(mend, spoil):
    return spoil / (mend + spoil)


@wrong("settles", "these are the odds")
def odds(mend, spoil):
    return mend / spoil


@wrong("settles", "a difference of rates")
def difference(mend, spoil):
    return mend - spoil


@wrong("settles", "not spoiled in one step")
def kept(mend, spoil):
    return 1 - spoil


@wrong("settles", "do not add up to 1")
def mended_only(mend, spoil):
    return mend


def after(steps, start=0.5):
    def settles(mend, spoil):
        p = start
        for _ in range(steps):
            p += (1 - p) * mend - p * spoil
        return p

    return settles


@pytest.mark.parametrize("steps", [3, 10])
def test_too_few_steps_are_told(steps):
    assert_told("settles", "it has not settled yet", after(steps, 0.0))


def test_a_thousand_steps_are_not_enough_for_small_rates():
    assert_told("settles", "depends on where the chain began", after(1_000))


@wrong("settles", "a chain stays where it began")
def unguarded(mend, spoil):
    return mend / (mend + spoil)


@wrong("settles", "a chain stays where it began")
def nothing_is_zero(mend, spoil):
    return mend / (mend + spoil) if mend + spoil else 0.0


@given(st.floats(0.01, 0.9), st.floats(0.01, 0.9), st.floats(0, 1))
def test_the_closed_form_is_where_a_chain_stands_still(mend, spoil, start):
    end = mend / (mend + spoil)
    assert after(3_000, start)(mend, spoil) == pytest.approx(end, abs=1e-9)


@pytest.mark.parametrize(("name", "cause", "answer"), wrong.cases())
def test_a_wrong_answer_is_told_its_cause(name, cause, answer):
    assert_told(name, cause, answer)


@pytest.mark.parametrize(
    ("name", "mistake"),
    mistakes(
        pass_per_step=spoiling._STEPS,
        spoil_and_mend=spoiling._RATES,
        settles=spoiling._SETTLES,
    ),
)
def test_each_known_mistake_is_told_apart(name, mistake):
    assert_told(name, mistake.cause, mistake.imitate)


@pytest.mark.parametrize("name", ["pass_per_step", "spoil_and_mend", "settles"])
def test_there_are_at_least_four_wrong_answers(name):
    assert wrong.number(name) >= 4


@pytest.mark.parametrize("name", ["pass_per_step", "spoil_and_mend", "settles"])
@pytest.mark.parametrize("junk", JUNK)
def test_junk_gets_a_report(name, junk):
    assert_reported(name, junk)


def test_other_ways_to_write_them_are_right():
    def by_diff(right):
        change = np.diff(right.astype(int), axis=2)
        known = right[:, :, :-1].sum(), (~right[:, :, :-1]).sum()
        return (
            (change == -1).sum() / known[0] if known[0] else None,
            (change == 1).sum() / known[1] if known[1] else None,
        )

    def by_eigenvector(mend, spoil):
        if mend + spoil == 0:
            return math.nan
        values, vectors = np.linalg.eig([[1 - spoil, mend], [spoil, 1 - mend]])
        still = vectors[:, np.argmax(values)]
        return still[0] / still.sum()

    assert check("spoil_and_mend", rates).passed
    assert check("spoil_and_mend", by_diff).passed
    assert check("settles", by_eigenvector).passed
