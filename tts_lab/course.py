"""The exercises of the course: numbers, titles and the checks of each.

Promises: the order is the course's; a test compares it with the notebooks in
`exercises/source` and with the checks that there are.
"""

from __future__ import annotations

from typing import NamedTuple


class Exercise(NamedTuple):
    """One exercise: its notebook is `exercises/student/<stem>.ipynb`."""

    number: int
    title: str
    stem: str
    checks: tuple[str, ...]


def _exercise(number: int, title: str, stem: str, checks: str) -> Exercise:
    return Exercise(number, title, f"ex{number:02}_{stem}", tuple(checks.split()))


EXERCISES = (
    _exercise(
        0, "First samples", "first_samples",
        "answer_line repeated_sampling",
    ),
    _exercise(
        1, "Repeated sampling", "repeated_sampling",
        "pass_at_k coverage smallest_k",
    ),
    _exercise(
        2, "Coverage laws", "coverage_laws",
        "fit_power_law extrapolation tail",
    ),
    _exercise(
        3, "Choosing an answer", "choosing_an_answer",
        "weighted_vote precision",
    ),
    _exercise(
        4, "Process rewards", "process_rewards",
        "step_labels auc_within",
    ),
    _exercise(
        5, "Search", "search",
        "beam_search lookahead",
    ),
    _exercise(
        6, "Revisions", "revisions",
        "revision pass_per_step spoil_and_mend chain_vote settles",
    ),
    _exercise(
        7, "Compute-optimal allocation", "compute_optimal",
        "quantile_bins threshold_bins choose_per_bin two_folds times_less stopping",
    ),
    _exercise(
        8, "Pretraining or inference", "pretraining_or_inference",
        "matched_inference same_cost who_wins cost_per_solved",
    ),
    _exercise(
        9, "Small beats big", "small_beats_big",
        "total_flops smallest_n reward_aware gain shrinks",
    ),
    _exercise(
        10, "Test-time training", "test_time_training",
        "leave_one_out turned turned_back turned_task loss_mask two_stage "
        "adaptation_flops samples_bought",
    ),
    _exercise(
        11, "Thinking longer", "thinking_longer",
        "read_thoughts budget_forcing control scaling performance log_slope bend "
        "thought_vote",
    ),
)  # fmt: skip


def exercise_of(check: str) -> Exercise | None:
    """The exercise that a check belongs to; None for a check that there is not.

    >>> exercise_of("lookahead").title
    'Search'
    """
    return next((one for one in EXERCISES if check in one.checks), None)
