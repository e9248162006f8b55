"""The race's chart as SVG: accuracy with its interval against what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from tts_lab.figures.budget import plain, scaled
from tts_lab.race import Cost, Point
from tts_lab.widgets import chart
from tts_lab.widgets.chart import BOTTOM, DASHES, HEIGHT, RIGHT, TOP

LABELS: dict[Cost, str] = {
    "samples": "samples per problem",
    "tokens": "tokens per problem, the verifier's too",
    "flops": "FLOPs per problem, the verifier's too",
}


def draw(points: Sequence[Point], strategies: Sequence[str], *, cost: Cost) -> str:
    """One line per strategy, one point per n; unfinished points are hollow.

    Parameters
    ----------
    points : sequence of Point
    strategies : sequence of str
        All that race, so that a line keeps its dashes while others join.
    cost : "samples", "tokens" or "flops"
    """
    begun = [point for point in points if point.right]
    if not begun:
        scale = chart.Scale(1, 100)
        words = "Accuracy against cost; nothing is measured yet."
        return chart.svg(HEIGHT, words, chart.axes(scale, LABELS[cost], "accuracy"))
    costs = [point.cost(cost) for point in begun]
    unit, label = 1.0, LABELS[cost]
    if cost != "samples":
        unit, label = scaled(cost, max(costs))
        label = label.split(" per")[0] + " per problem, the verifier's too"
    scale = chart.Scale(0.8 * min(costs) / unit, 1.25 * max(costs) / unit)
    parts = [chart.axes(scale, label, "accuracy")]
    labels: list[tuple[float, str, str]] = []
    for number, name in enumerate(strategies):
        mine = [(p, c / unit) for p, c in zip(begun, costs, strict=True)
                if p.strategy == name]  # fmt: skip
        if not mine:
            continue
        x = scale.x(np.array([c for _, c in mine]))
        found = np.array([p.accuracy() for p, _ in mine])
        y = scale.y(found)
        dash = f' stroke-dasharray="{DASHES[number - 1]}"' if number else ""
        path = chart.points(x, y[:, 0])
        kind = f"tts-race tts-race{number}"
        parts.append(f'<g class="{kind}"><path class="tts-curve"{dash} d="{path}"/>')
        for (point, _), a, (middle, low, high), value in zip(
            mine, x, y, found, strict=True
        ):
            words = (
                f"{name}, n {point.n}: {value[0]:.1%} [{value[1]:.1%}, "
                f"{value[2]:.1%}] of {len(point.right)} problems, "
                f"{plain(round(point.samples / point.problems))} samples each"
            )
            hollow = "" if point.done else " tts-hollow"
            parts.append(
                f'<g tabindex="0" role="img" aria-label="{escape(words)}">'
                f"<title>{escape(words)}</title>"
                f'<path class="tts-whisker" d="M{a:.1f} {low:.1f}V{high:.1f}"/>'
                f'<circle class="tts-dot{hollow}" cx="{a:.1f}" cy="{middle:.1f}" '
                f'r="4.5"/></g>'
            )
        parts.append("</g>")
        last = f"{found[-1, 0]:.0%} {name}"
        labels.append((float(y[-1, 0]), last, f"tts-race{number}"))
    free = TOP + 4.0
    for height, words, kind in sorted(labels):
        free = max(height + 4, free)
        at = min(free, BOTTOM)
        parts.append(
            f'<g class="tts-race {kind}">'
            f"{chart.text(RIGHT + 8, at, words, 'tts-name')}</g>"
        )
        free += 17
    said = "; ".join(f"{words}" for _, words, _ in labels)
    return chart.svg(HEIGHT, f"Accuracy against {label}: {said}.", "".join(parts))


def rows(points: Sequence[Point]) -> list[str]:
    """The chart in words, a line per point."""
    lines = []
    for point in points:
        if point.right:
            mean, low, high = point.accuracy()
            state = "" if point.done else f" (after {len(point.right)} problems)"
            samples, tokens = point.cost("samples"), point.cost("tokens")
            lines.append(
                f"{point.strategy}, n {point.n}: {mean:.1%} [{low:.1%}, {high:.1%}]"
                f"{state}, {samples:.1f} samples, {tokens:,.0f} tokens, "
                f"{point.cost('flops'):.2g} FLOPs per problem"
            )
    return lines
