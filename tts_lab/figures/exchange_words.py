"""Exchanges of pretraining and inference in words and on a scale.

What figures and widgets say alike. Not covered: drawing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from tts_lab.exchange import Exchange
from tts_lab.exchange_curves import BinCurve
from tts_lab.published import Improvement

Scale = Literal["relative", "absolute"]
#: of the vertical axis, and what a difference is a share of
SCALES: dict[str, str] = {
    "relative": "relative difference in accuracy",
    "absolute": "difference in accuracy, points",
}
HIGHEST = 2.0  # of the axis: a larger model that is hardly ever right makes towers


def bin_names(bins: int) -> list[str]:
    """What bins of falling ease are called.

    >>> bin_names(3), bin_names(4)[-1]
    (['easy', 'medium', 'hard'], 'bin 4 (hardest)')
    """
    named = {1: ["all"], 2: ["easy", "hard"], 3: ["easy", "medium", "hard"]}
    if bins in named:
        return named[bins]
    ends = {1: " (easiest)", bins: " (hardest)"}
    return [f"bin {i}{ends.get(i, '')}" for i in range(1, bins + 1)]


def of_scale(one: Exchange, scale: Scale) -> tuple[float, float, float]:
    """The difference on a scale, with its interval; NaN where there is none."""
    if scale == "absolute":
        return one.difference, one.low, one.high
    return one.relative, one.relative_low, one.relative_high


def signed(value: float, scale: Scale) -> str:
    """A difference as people write it.

    >>> signed(-0.072, "relative"), signed(0.031, "absolute")
    ('−7%', '+3.1')
    """
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "no bound"
    digits, unit = (0, "%") if scale == "relative" else (1, "")
    size = round(100 * value, digits)
    return f"{size:+.{digits}f}{unit}".replace("-", "−") if size else f"0{unit}"


def limits(
    found: Sequence[Exchange], scale: Scale, published: Sequence[Improvement] = ()
) -> tuple[float, float]:
    """The ends of the vertical axis: all intervals, as far as they are readable."""
    ends = [v for one in found for v in of_scale(one, scale) if math.isfinite(v)]
    ends += [v for one in published for v in one.readings]
    low, high = min([-0.1, *ends]), max([0.1, *ends])
    pad = 0.06 * (min(high, HIGHEST) - low)
    return low - pad, min(high + pad, HIGHEST)


def beyond(one: Exchange, curve: BinCurve) -> bool:
    """Whether a matched budget lies outside what was measured."""
    return not curve.budget[0] <= one.budget <= curve.budget[-1]


def reading(one: Improvement) -> str:
    """A published value in words.

    >>> from tts_lab.published import improvements
    >>> [reading(one) for one in improvements("prm_search")[:2]]
    ['+19.1%', 'unresolved, −5.6% or +2.2%']
    """
    words = [
        f"{100 * v:+.1f}%".replace("-", "−") if v else "0.0%" for v in one.readings
    ]
    return words[0] if one.resolved else f"unresolved, {' or '.join(words)}"
