"""The thinking explorer's chart as SVG: accuracy by limit, tokens or FLOPs.

Promises: as those of `tts_lab.widgets.chart`; the two curves are told by line and dash.
"""

from __future__ import annotations

from html import escape

import numpy as np

from tts_lab.bootstrap import FloatArray
from tts_lab.figures.budget import plain, scaled
from tts_lab.widgets import chart
from tts_lab.widgets.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP
from tts_lab.widgets.thinking_budget import Curve, Reading, flops_words, waits_words

_DASH = "7 4"


def draw(curve: Curve, without: Curve, reading: Reading, cost: str) -> str:
    """The curve with its band, the one without forced waits, the chosen limit.

    Parameters
    ----------
    curve, without : Curve
        Without is left out where it is the same.
    reading : Reading
        The chosen point of the curve.
    cost : str
        The horizontal axis, of `tts_lab.widgets.thinking_budget.COSTS`.
    """
    alone = curve.waits == without.waits
    every = [curve] if alone else [without, curve]
    ends = np.concatenate([one.cost(cost) for one in every])
    unit, label = _label(cost, float(ends.max()))
    scale = chart.Scale(0.95 * float(ends.min()) / unit, float(ends.max()) / unit)
    i = int(np.searchsorted(curve.limits, reading.budget.limit))
    x = scale.x(curve.cost(cost) / unit)
    parts = [chart.axes(scale, label, "right answers")]
    band = chart.points(
        np.append(x, x[::-1]),
        np.append(scale.y(curve.low), scale.y(curve.high)[::-1]),
    )
    parts.append(f'<path class="tts-band" d="{band}Z"/>')
    if not alone:
        path = chart.points(scale.x(without.cost(cost) / unit), scale.y(without.mean))
        parts.append(
            f'<path class="tts-earlier" stroke-dasharray="{_DASH}" d="{path}"/>'
        )
    path = chart.points(x, scale.y(curve.mean))
    parts.append(f'<path class="tts-curve" d="{path}"/>')
    at, height = float(x[i]), float(scale.y(curve.mean[i]))
    parts.append(f'<path class="tts-here" d="M{at:.1f} {TOP}V{BOTTOM}"/>')
    left = at > (LEFT + RIGHT) / 2
    words = f"limit {plain(reading.budget.limit)}"
    parts.append(
        chart.text(at - 7 if left else at + 7, TOP + 10, words, "tts-name",
                   "end" if left else "start")
    )  # fmt: skip
    parts.append(
        f'<circle class="tts-dot tts-chosen" cx="{at:.1f}" cy="{height:.1f}" r="6"/>'
    )
    parts += _names(curve, None if alone else without, i, scale)
    parts += _readings(curve, x, scale, reading.budget.limit)
    said = (
        f"Accuracy by {label}. {reading.budget.caption()}: {reading.mean:.1%}, "
        f"interval {reading.low:.1%} to {reading.high:.1%}."
    )
    if not alone:
        said += f" Without forced waits {without.mean[i]:.1%}."
    return chart.svg(HEIGHT, said, "".join(parts))


def under(curve: Curve, without: Curve) -> str:
    """What the lines are."""
    words = f"Line: {waits_words(curve.waits)}, with its 95% interval over problems."
    if curve.waits != without.waits:
        words += " Dashed: no forced waits."
    words += f" {chart.POINT}"
    return f'<div class="tts-under">{escape(words)}</div>'


def _label(cost: str, most: float) -> tuple[float, str]:
    if cost == "flops":
        return scaled("flops", most)
    names = {"limit": "limit of thinking tokens", "tokens": "thinking tokens spent"}
    return 1.0, f"{names[cost]} per problem"


def _names(
    curve: Curve, without: Curve | None, i: int, scale: chart.Scale
) -> list[str]:
    """Which line is which, at the right edge, with the accuracy at the limit."""
    lines = [(float(scale.y(curve.mean[-1])), curve, "tts-curve", "")]
    if without is not None:
        y = float(scale.y(without.mean[-1]))
        lines.append((y, without, "tts-earlier", f' stroke-dasharray="{_DASH}"'))
    lines.sort(key=lambda line: line[0])
    parts, free = [], TOP + 4.0
    for number, (y, one, name, dash) in enumerate(lines):
        least = BOTTOM - 24 - 36 * (len(lines) - 1 - number)  # room for the others
        at = min(max(y, free), least)
        free = at + 36
        short = {"0": "no waits", "1": "1 wait"}.get(one.waits, f"{one.waits} waits")
        parts.append(f'<path class="{name}"{dash} d="M{RIGHT + 10} {at:.1f}h24"/>')
        parts.append(chart.text(RIGHT + 40, at + 4, short, "tts-name"))
        here = f"{one.mean[i]:.1%} here"
        parts.append(chart.text(RIGHT + 40, at + 19, here, "tts-detail"))
    return parts


def _readings(
    curve: Curve, x: FloatArray, scale: chart.Scale, chosen: int
) -> list[str]:
    """A strip around each point that shows its numbers under mouse and focus."""
    edges = np.concatenate([[LEFT], (x[1:] + x[:-1]) / 2, [max(x[-1], RIGHT)]])
    heights, parts = scale.y(curve.mean), []
    for i, limit in enumerate(curve.limits.tolist()):
        width = edges[i + 1] - edges[i]
        if width < 0.5:  # the traces have ended: the points lie on each other
            continue
        words = (
            f"limit {plain(limit)}: {curve.mean[i]:.1%} [{curve.low[i]:.1%}, "
            f"{curve.high[i]:.1%}] at {curve.tokens[i]:.0f} tokens, "
            f"{flops_words(float(curve.flops[i]))}"
        )
        parts.append(
            f'<g class="tts-reading" tabindex="{-(limit != chosen)}" role="img" '
            f'aria-label="{escape(words)}"><rect x="{edges[i]:.1f}" y="{TOP}" '
            f'width="{width:.1f}" height="{BOTTOM - TOP}"/>'
            f'<path d="M{x[i]:.1f} {TOP}V{BOTTOM}"/>'
            f'<circle class="tts-dot" cx="{x[i]:.1f}" cy="{heights[i]:.1f}" r="4.5"/>'
            f"{chart.text(LEFT, 14, words)}</g>"
        )
    return parts
