"""What a study says at every budget, computed once for the explorer to read from.

Promises: the choice and its judgement are those of `tts_lab.allocate`; a baseline is
compared at what it cost itself, not at a budget that it leaves unspent. Not covered:
showing it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Event

import numpy as np

from tts_lab.allocate import (
    Allocation,
    Option,
    best_of,
    compute_optimal,
    efficiency,
)
from tts_lab.figures.budget import plain, scaled
from tts_lab.widgets.allocation_settings import Settings, Study
from tts_lab.winners import BinShare, by_bin

RESAMPLES = 100  # of the live view; `tts_lab.allocate` takes 500
APART = 1.25  # neighbouring budgets, at least


@dataclass(frozen=True)
class Efficiency:
    """What a baseline spends, by what the choice needs for the same accuracy.

    Attributes
    ----------
    value, low, high : float
        With its 95% interval; 0 where the choice is never as good.
    bound : bool
        Whether the smallest budget is good enough, so that it may be more.
    of : Allocation
        The baseline's, with what it cost as its budget.
    """

    value: float
    low: float
    high: float
    bound: bool
    of: Allocation

    def words(self) -> str:
        """The ratio with its interval.

        >>> one = Allocation(4.0, (("majority, n = 4",),), *[np.ones(2)] * 2, 1, 1, 1,
        ...                  np.ones(1))
        >>> Efficiency(2.04, 1.5, 3.0, False, one).words()
        '2.0× [1.5×, 3.0×]'
        """
        interval = f"[{self.low:.1f}×, {self.high:.1f}×]"
        if self.value == 0:
            return f"never as good {interval}"
        return f"{'at least ' if self.bound else ''}{self.value:.1f}× {interval}"


@dataclass(frozen=True)
class Answer:
    """Everything that the budget slider moves over.

    Attributes
    ----------
    settings : Settings
    study : Study
    budgets : tuple of float
    ours : dict of kind to tuple of Allocation
        Compute-optimal, at those budgets that leave something after the estimate.
    base : dict of name to tuple of Allocation
        Each baseline at its own costs.
    """

    settings: Settings
    study: Study
    budgets: tuple[float, ...]
    ours: dict[str, tuple[Allocation, ...]]
    base: dict[str, tuple[Allocation, ...]]

    @property
    def scale(self) -> tuple[float, str]:
        """The unit in which the budgets are readable, and its label."""
        return scaled(self.settings.unit, self.budgets[-1])

    def said(self, budget: float) -> str:
        """A budget as a short number in that unit."""
        return plain(float(f"{budget / self.scale[0]:.3g}"))

    def estimate(self, kind: str) -> float:
        """What is taken off the budget for estimating the difficulty."""
        return self.study.estimate[kind] if self.settings.charged else 0.0

    def at(self, kind: str, budget: float) -> Allocation | None:
        """What is chosen at a budget; None where it does not pay the estimate."""
        return next((one for one in self.ours[kind] if one.budget == budget), None)

    def baseline(self, name: str, budget: float) -> Allocation | None:
        """The dearest of a baseline's options within a budget."""
        fitting = [a for a in self.base[name] if a.budget <= budget * (1 + 1e-9)]
        return fitting[-1] if fitting else None

    def efficiency(
        self, kind: str, name: str, budget: float, *, spent: bool = False
    ) -> Efficiency | None:
        """Against what the baseline reaches within a budget.

        Parameters
        ----------
        kind, name : str
            Of bins; of the baseline.
        budget : float
        spent : bool
            By what the choice spends of its budgets. A budget is a limit for each bin,
            and where nothing helps the cheapest option is taken.
        """
        of = self.baseline(name, budget)
        if of is None or not self.ours[kind]:
            return None
        ours = list(self.ours[kind])
        if spent:
            ours = [replace(one, budget=float(one.cost.mean())) for one in ours]
            ours.sort(key=lambda one: one.budget)
        value, low, high = efficiency(ours, self.base[name], of.budget)
        return Efficiency(value, low, high, ours[0].accuracy >= of.accuracy, of)

    def by_bin(
        self, kind: str, budget: float, *, seed: int = 0
    ) -> dict[str, tuple[BinShare, ...]]:
        """Each kind of strategy in each bin."""
        return by_bin(
            self.study.options, self.study.difficulty[kind], budget,
            estimate=self.estimate(kind), seed=seed, resamples=RESAMPLES,
        )  # fmt: skip


def answered(
    settings: Settings, study: Study, *, seed: int = 0, cancel: Event | None = None
) -> Answer:
    """Choose at every budget.

    Parameters
    ----------
    settings : Settings
    study : Study
    seed : int
        Of the folds and the bootstrap.
    cancel : threading.Event, optional
        Looked at between budgets and baselines; what is there by then is returned.

    Raises
    ------
    ValueError
        If nothing is within any budget.
    """
    budgets = _budgets(settings, study)
    ours: dict[str, tuple[Allocation, ...]] = {}
    for kind, bins in study.difficulty.items():
        estimate = study.estimate[kind] if settings.charged else 0.0
        floor = _floor(study.options) + estimate
        found: list[Allocation] = []
        for budget in budgets:
            if cancel is not None and cancel.is_set():
                break
            if budget >= floor:
                found += compute_optimal(
                    study.options, bins, [budget], estimate=estimate, seed=seed,
                    resamples=RESAMPLES,
                )  # fmt: skip
        ours[kind] = tuple(found)
    base = {}
    for name, own in study.baselines.items():
        if cancel is not None and cancel.is_set():
            break
        base[name] = tuple(best_of(own, _costs(own), seed=seed, resamples=RESAMPLES))
    return Answer(settings, study, budgets, ours, base)


def nearest(budgets: Sequence[float], wanted: float) -> float:
    """The budget that is nearest on a log axis.

    >>> nearest([1, 4, 16], 9)
    16
    """
    return min(budgets, key=lambda budget: abs(np.log(budget / wanted)))


def _costs(options: Sequence[Option]) -> list[float]:
    return sorted({float(option.cost.mean()) for option in options})


def _floor(options: Sequence[Option]) -> float:
    """What pays for the cheapest option, whichever problems are drawn."""
    return min(float(option.cost.max()) for option in options)


def _budgets(settings: Settings, study: Study) -> tuple[float, ...]:
    """Those at which something was measured: the baselines' first."""
    floor = _floor(study.options)
    extra = sorted(set(study.estimate.values())) if settings.charged else []
    kept = sorted({floor, *(floor + more for more in extra)})
    wanted = [cost for own in study.baselines.values() for cost in _costs(own)]
    wanted += _costs(study.options)
    # what is left after the estimate is again what something costs
    wanted += [cost + more for more in extra for cost in wanted]
    for one in wanted:
        if one >= floor and all(max(one / k, k / one) >= APART for k in kept):
            kept.append(one)
    return tuple(sorted(kept))
