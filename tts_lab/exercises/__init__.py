"""Exercises: `check(name, answer)` says whether an answer is right, and if not, why.

Promises: a right answer gives a `Report` that displays itself; a wrong one raises
`CheckFailed`, so the same cell serves a learner and an automatic grader; a stub's
NotImplementedError passes through untouched. What was tried and passed is kept for the
progress page (`tts_lab.progress`), which never makes a check fail. The exercises
themselves are notebooks in the repository's `exercises/` folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tts_lab import progress
from tts_lab.exercises import (
    adapting,
    allocating,
    averaging,
    bending,
    binning,
    chaining,
    choosing,
    estimator,
    exchanging,
    exchanging_tables,
    extrapolating,
    first_samples,
    fitting,
    forcing,
    gaining,
    labelling,
    measuring,
    parsing,
    paying,
    protocol,
    rethinking,
    revising,
    reward_aware,
    saving,
    searching,
    spending,
    spoiling,
    stopping_early,
    tail,
    turning,
    voting,
)
from tts_lab.exercises.report import CheckFailed, Report, show_in_notebook

__all__ = ["CheckFailed", "Report", "check", "names"]

Check = Callable[[Callable[..., Any], int], Report]

_CHECKS: dict[str, Check] = {
    "answer_line": first_samples.answer_line,
    "repeated_sampling": protocol.repeated_sampling,
    "pass_at_k": estimator.pass_at_k,
    "coverage": averaging.coverage,
    "smallest_k": averaging.smallest_k,
    "fit_power_law": fitting.fit_power_law,
    "extrapolation": extrapolating.extrapolation,
    "tail": tail.tail,
    "weighted_vote": choosing.weighted_vote,
    "precision": choosing.precision,
    "step_labels": labelling.step_labels,
    "auc_within": labelling.auc_within,
    "beam_search": searching.beam_search,
    "lookahead": searching.lookahead,
    "revision": revising.revision,
    "pass_per_step": spoiling.pass_per_step,
    "spoil_and_mend": spoiling.spoil_and_mend,
    "chain_vote": chaining.chain_vote,
    "settles": spoiling.settles,
    "quantile_bins": binning.quantile_bins,
    "threshold_bins": binning.threshold_bins,
    "choose_per_bin": allocating.choose_per_bin,
    "two_folds": allocating.two_folds,
    "times_less": saving.times_less,
    "stopping": stopping_early.stopping,
    "matched_inference": exchanging.matched_inference,
    "same_cost": exchanging.same_cost,
    "who_wins": exchanging_tables.who_wins,
    "cost_per_solved": exchanging.cost_per_solved,
    "total_flops": spending.total_flops,
    "smallest_n": spending.smallest_n,
    "reward_aware": reward_aware.reward_aware,
    "gain": gaining.gain,
    "shrinks": gaining.shrinks,
    "leave_one_out": adapting.leave_one_out,
    "turned": turning.turned,
    "turned_back": turning.turned_back,
    "turned_task": turning.turned_task,
    "loss_mask": adapting.loss_mask,
    "two_stage": voting.two_stage,
    "adaptation_flops": paying.adaptation_flops,
    "samples_bought": paying.samples_bought,
    "read_thoughts": parsing.read_thoughts,
    "budget_forcing": forcing.budget_forcing,
    "control": measuring.control,
    "scaling": measuring.scaling,
    "performance": measuring.performance,
    "log_slope": bending.log_slope,
    "bend": bending.bend,
    "thought_vote": rethinking.thought_vote,
}


def names() -> list[str]:
    """The checks, in the order of the course.

    >>> names()[:3]
    ['answer_line', 'repeated_sampling', 'pass_at_k']
    """
    return list(_CHECKS)


def check(name: str, answer: Callable[..., Any], *, seed: int = 0) -> Report:
    """Check the answer to an exercise.

    Parameters
    ----------
    name : str
        One of `names`.
    answer : callable
        The function that was written, itself, not its result.
    seed : int
        Chooses the random inputs among those tried; graders use another one.

    Returns
    -------
    Report
        Of a right answer. It displays itself as the last line of a cell.

    Raises
    ------
    CheckFailed
        For a wrong answer; its `report` has the first input that failed, what was
        given and expected there, the likely cause and, for curves, a figure. In a
        notebook the report is displayed as well.
    NotImplementedError
        From a stub that was not filled in yet.
    ValueError
        For an unknown name.

    Examples
    --------
    >>> check("pass_at_k", lambda n, c, k: 1 - (1 - c / n) ** k)
    Traceback (most recent call last):
        ...
    tts_lab.exercises.report.CheckFailed: not yet: pass_at_k · wrong value
      on input     n=4, c=[1], k=2
      given        [0.4375]
      expected     [0.5]
      likely cause this is 1 - (1 - c/n)^k, as if the n samples were put back after
                   each draw: biased, on average too low. Draw k of the n without
                   putting back
    """
    if name not in _CHECKS:
        raise ValueError(f"check {name!r} is unknown; there are {names()}")
    if callable(answer):
        report = _CHECKS[name](answer, seed)
    else:
        kind = type(answer).__name__
        report = Report(
            name,
            False,
            "no function was given",
            given=f"{kind}: {answer!r:.60}",
            expected="a function",
            likely_cause="pass the function itself, without calling it: "
            f'`check("{name}", my_function)`',
        )
    report = replace(report, progress=progress.keep(name, passed=report.passed))
    if not report.passed:
        show_in_notebook(report)
        raise CheckFailed(report)
    return report
