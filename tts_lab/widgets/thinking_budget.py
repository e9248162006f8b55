"""What the thinking explorer reads off long traces: accuracy by limit and forced waits.

Promises: every number is of traces that were measured once (`tts_lab.think.measured`);
a curve and the reading on it are of the same problems. Not covered: running a model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tts_lab.bootstrap import (
    FloatArray,
    IntArray,
    bootstrap_means,
    percentile_interval,
)
from tts_lab.grid.store import LEVELS
from tts_lab.think import measured
from tts_lab.think.compared import Point, thinking
from tts_lab.think.measured import LONGEST, Thoughts

WAITS = {"0": 0, "1": 1, "2": 2, "4": 4, "all": LONGEST}
COSTS = {"limit": "Limit", "tokens": "Tokens", "flops": "FLOPs"}
BOTH = "both"
LEAST = 16  # tokens; shorter than any attempt


def limits(most: int) -> list[int]:
    """Eight limits in each doubling, from 16 to the first that is `most` or more.

    >>> limits(40)
    [16, 18, 20, 22, 24, 26, 28, 30, 32, 36, 40]
    """
    found = [LEAST]
    while found[-1] < most:
        found.append(found[-1] + 2 ** (found[-1].bit_length() - 4))
    return found


@dataclass(frozen=True)
class Budget:
    """What one look at the traces is of.

    Attributes
    ----------
    domain : str
        One that was measured, or "both".
    limit : int
        Thinking tokens at most.
    waits : str
        Of `WAITS`: ends that are suppressed.
    """

    domain: str
    limit: int
    waits: str

    def __post_init__(self) -> None:
        if self.waits not in WAITS:
            raise ValueError(f"waits={self.waits!r}; accepted are {list(WAITS)}")

    def caption(self) -> str:
        """All of it on one line.

        >>> Budget("chains", 256, "1").caption()
        'chains, limit 256 tokens, 1 forced wait'
        """
        domain = "both domains" if self.domain == BOTH else self.domain
        return f"{domain}, {self.length()}"

    def length(self) -> str:
        """The limit and the waits."""
        return f"limit {self.limit} tokens, {waits_words(self.waits)}"


@dataclass(frozen=True)
class Curve:
    """Accuracy at every limit, and what it cost; all arrays are (K,).

    Attributes
    ----------
    limits : int array
    mean, low, high : float arrays
        With the 95% interval over problems.
    tokens, flops : float arrays
        Spent, the mean over problems.
    """

    waits: str
    limits: IntArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    tokens: FloatArray
    flops: FloatArray

    def cost(self, of: str) -> FloatArray:
        """Where the curve's points are on an axis of `COSTS`."""
        each = {"tokens": self.tokens, "flops": self.flops}
        return each.get(of, self.limits.astype(np.float64))


@dataclass(frozen=True)
class Reading:
    """One point of a curve, and what the waits did there.

    Attributes
    ----------
    budget : Budget
    mean, low, high : float
    tokens, flops : float
        The mean over problems.
    attempts : float
        Whole ones in a trace, the mean.
    problems, traces : int
        Traces of all problems together.
    right, spoilt : int
        Traces that are right without forced waits, and those of them that are not with.
    mended : int
        Traces that are right with them alone.
    """

    budget: Budget
    mean: float
    low: float
    high: float
    tokens: float
    flops: float
    attempts: float
    problems: int
    traces: int
    right: int
    spoilt: int
    mended: int

    def words(self) -> str:
        """The numbers as sentences."""
        said = (
            f"{self.mean:.1%} [{self.low:.1%}, {self.high:.1%}] right at "
            f"{self.tokens:.0f} tokens, {flops_words(self.flops)} a problem "
            f"({self.problems} problems, {self.traces} traces); "
            f"{self.attempts:.1f} attempts a trace; the last whole one is the answer."
        )
        if self.budget.waits == "0":
            return said
        wrong = self.traces - self.right
        return (
            f"{said} Forced waits spoil {_share(self.spoilt, self.right)} answers that "
            f"are right without them, and mend {_share(self.mended, wrong)} that are "
            "not."
        )


class Traces:
    """Long traces by domain, and the curves that were read off them so far.

    Parameters
    ----------
    thoughts : mapping of str to Thoughts, optional
        By domain; the shipped ones by default.
    folder : Path
        Where those lie.

    Raises
    ------
    ValueError
        When there are none.
    """

    def __init__(
        self,
        thoughts: Mapping[str, Thoughts] | None = None,
        folder: Path = measured.FOLDER,
    ) -> None:
        if thoughts is None:
            thoughts = {one: measured.shipped(one, folder=folder) for one in LEVELS}
        if not thoughts:
            raise ValueError("thoughts is empty; accepted is one domain or more")
        self._made = dict(thoughts)
        self._curves: dict[tuple[str, str, tuple[int, ...]], Curve] = {}
        self.limits = limits(max(int(one.tokens.max()) for one in thoughts.values()))

    @property
    def domains(self) -> list[str]:
        """Those that were measured, and "both" for several."""
        return [*self._made, *([BOTH] if len(self._made) > 1 else [])]

    @property
    def thinker(self) -> str:
        """Who wrote them."""
        return next(iter(self._made.values())).thinker

    def check(self, budget: Budget) -> Budget:
        """The budget, if it can be read off these traces.

        Raises
        ------
        ValueError
            Otherwise; the message quotes the setting and says what is accepted.
        """
        if budget.domain not in self.domains:
            raise ValueError(f"domain={budget.domain!r}; accepted are {self.domains}")
        limit, most = budget.limit, self.limits[-1]
        whole = isinstance(limit, int) and not isinstance(limit, bool)
        if not whole or not 1 <= limit <= most:
            raise ValueError(
                f"limit={limit!r}; accepted is a whole number from 1 to {most}"
            )
        return budget

    def points(self, domain: str, waits: str, some: Sequence[int]) -> list[Point]:
        """A point for each limit, of all problems of the domain."""
        number, joined = WAITS[waits], []
        each = [
            # ends are put in order once, not anew at each limit
            thinking(_stopped(one, number), some, waits=LONGEST)
            for one in self._of(domain)
        ]
        for same in zip(*each, strict=True):
            right, tokens, flops = (
                np.concatenate([getattr(point, name) for point in same])
                for name in ("right", "tokens", "flops")
            )
            joined.append(Point(waits_words(waits), same[0].n, right, tokens, flops))
        return joined

    def curve(self, domain: str, waits: str, *more: int) -> Curve:
        """Accuracy at every limit, and at `more` of them."""
        some = tuple(sorted({*self.limits, *more}))
        key = (domain, waits, some)
        if key not in self._curves:
            points = self.points(domain, waits, some)
            right = np.stack([point.right for point in points], 1)
            low, high = percentile_interval(bootstrap_means(right), 0.95)
            self._curves[key] = Curve(
                waits, np.array(some), right.mean(axis=0), low, high,
                np.array([point.tokens.mean() for point in points]),
                np.array([point.flops.mean() for point in points]),
            )  # fmt: skip
        return self._curves[key]

    def reading(self, budget: Budget) -> Reading:
        """What the sentence below the chart says."""
        curve = self.curve(budget.domain, budget.waits, budget.limit)
        i = int(np.searchsorted(curve.limits, budget.limit))
        waits, limit = WAITS[budget.waits], budget.limit
        before, after, attempts, problems = [], [], [], 0
        for one in self._of(budget.domain):
            before.append(one.accuracy(limit).ravel() > 0)
            after.append(one.accuracy(limit, waits=waits).ravel() > 0)
            length = one.length(limit, waits=waits)[:, :, None]
            attempts.append(((one.end > 0) & (one.end <= length)).sum(axis=2).ravel())
            problems += len(one.tokens)
        was, now = np.concatenate(before), np.concatenate(after)
        return Reading(
            budget, float(curve.mean[i]), float(curve.low[i]), float(curve.high[i]),
            float(curve.tokens[i]), float(curve.flops[i]),
            float(np.concatenate([a * 1.0 for a in attempts]).mean()), problems,
            len(was), int(was.sum()), int((was & ~now).sum()), int((now & ~was).sum()),
        )  # fmt: skip

    def _of(self, domain: str) -> list[Thoughts]:
        return list(self._made.values()) if domain == BOTH else [self._made[domain]]


def waits_words(waits: str) -> str:
    """How many waits are forced.

    >>> waits_words("0"), waits_words("1"), waits_words("all")
    ('no forced waits', '1 forced wait', 'every wait forced')
    """
    if waits in ("0", "all"):
        return "no forced waits" if waits == "0" else "every wait forced"
    return f"{waits} forced wait{'' if waits == '1' else 's'}"


def flops_words(value: float) -> str:
    """FLOPs with three digits.

    >>> flops_words(12_345_678), flops_words(4e9)
    ('12.3 MFLOPs', '4 GFLOPs')
    """
    unit, name = next(
        (unit, name)
        for unit, name in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (0, ""))
        if value >= unit
    )
    return f"{value / (unit or 1):.3g} {name}FLOPs"


def _stopped(made: Thoughts, waits: int) -> Thoughts:
    """The traces as they are when so many ends are suppressed, and no more can be."""
    stop = made.length(waits=waits).astype(np.int64)
    return replace(made, stops=np.zeros_like(made.stops), tokens=stop)


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole}" + (f" ({part / whole:.1%})" if whole else "")
