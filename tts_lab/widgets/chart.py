"""The live coverage chart as SVG: a string for an HTML widget, without any script.

Promises: crisp at every size, readable in light and dark themes (colours are those of
`static/widgets.css`), and every text is escaped. A point under the mouse, or with the
focus, says its numbers. No script, because a front end that is slow to start one would
be left with a dead chart. Not covered: figures to keep (`tts_lab.figures`).
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from tts_lab.coverage import FloatArray
from tts_lab.figures.budget import BUDGETS, Budget, log_ticks, plain, scaled
from tts_lab.traces import Problem
from tts_lab.widgets.measured import Measured

WIDTH, HEIGHT = 640, 362
LEFT, RIGHT, TOP, BOTTOM = 56, WIDTH - 128, 26, HEIGHT - 46  # of the plot
DASHES = ("7 4", "2 3", "9 3 2 3", "12 5")  # of earlier curves
COLUMNS = 50  # squares in a row
POINT = "To read it: point at it, or Tab to it and press arrow keys."


class Scale:
    """From a budget and a coverage to pixels, on a log axis from `low` to `high`."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, max(high, 1.01 * low)

    def x(self, value: Any) -> Any:
        part = np.log(np.asarray(value) / self.low) / np.log(self.high / self.low)
        return LEFT + (RIGHT - LEFT) * part

    @staticmethod
    def y(share: Any) -> Any:
        return BOTTOM - (BOTTOM - TOP) * np.asarray(share)


def empty(samples: int) -> str:
    """Axes without a curve, for before the first run."""
    words = "Coverage against samples per problem; nothing is measured yet."
    scale = Scale(1, max(samples, 2))
    return svg(HEIGHT, words, axes(scale, BUDGETS["samples"]))


def chart(now: Measured, earlier: Sequence[Measured], *, budget: Budget) -> str:
    """The curve of a run over the curves of runs before it.

    Parameters
    ----------
    now : Measured
        Drawn with its band.
    earlier : sequence of Measured
        Drawn thin and dashed.
    budget : "samples", "tokens" or "flops"
        Of the horizontal axis.

    Returns
    -------
    str
        HTML: an SVG and its caption.
    """
    every = [*earlier, now]
    ends = [one.cost([1, one.target], budget) for one in every]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    unit, label = scaled(budget, high)
    scale = Scale(low / unit, high / unit)
    places = [one.cost(one.curve.k, budget) / unit for one in every]
    parts = [axes(scale, label)]
    for i, (one, x) in enumerate(zip(earlier, places, strict=False)):
        parts.append(_earlier(points(scale.x(x), scale.y(one.curve.mean)), i))
    curve, x = now.curve, scale.x(places[-1])
    edge = x if x.size > 1 else np.array([x[0] - 3, x[0] + 3])  # one point: a bar
    band = points(
        np.append(edge, edge[::-1]),
        np.append(
            np.broadcast_to(scale.y(curve.low), edge.shape),
            np.broadcast_to(scale.y(curve.high), edge.shape)[::-1],
        ),
    )
    parts.append(f'<path class="tts-band" d="{band}Z"/>')
    parts.append(f'<path class="tts-curve" d="{points(x, scale.y(curve.mean))}"/>')
    parts += _labels(every, places, scale)
    parts += _readings(now, x, scale, budget, places[-1], label)
    words = (
        f"Coverage of {now.name}, {now.detail}: {curve.mean[0]:.1%} with one sample, "
        f"{curve.mean[-1]:.1%} with {plain(curve.n_samples)} samples, interval "
        f"{curve.low[-1]:.1%} to {curve.high[-1]:.1%}."
    )
    return (
        f"{svg(HEIGHT, words, ''.join(parts))}"
        f'<div class="tts-under">{escape(now.caption)}<br>Band: {curve.level:.0%} '
        f"interval over problems. {POINT}</div>"
    )


def squares(
    problems: Sequence[Problem], correct: Sequence[int], n: int, *, picked: int
) -> str:
    """One square per problem, fuller the more of its n samples are right.

    Parameters
    ----------
    problems : (P,) sequence of Problem
    correct : (P,) sequence of int
    n : int
    picked : int
        The problem whose square is framed.

    Returns
    -------
    str
        HTML; nothing for more than 400 problems.
    """
    if len(problems) > 400:
        return ""
    columns = min(COLUMNS, len(problems))
    step = min(22.0, (WIDTH - 2) / columns)
    decades = np.log(max(n, 2))
    parts = []
    for i, (problem, right) in enumerate(zip(problems, correct, strict=True)):
        # from 0.2 for one right sample to 1 for all, on a log scale
        shade = 0.0 if right == 0 else 1 + 0.8 * float(np.log(right / n) / decades)
        frame = ' class="tts-picked"' if i == picked else ""
        words = f"{i + 1}: {short(problem)}: {plain(right)} of {plain(n)} right"
        parts.append(
            f'<g tabindex="{-(i != picked)}" role="img" aria-label="{escape(words)}">'
            f"<title>{escape(words)}</title>"
            f'<rect{frame} x="{1 + i % columns * step:.1f}" '
            f'y="{1 + i // columns * step:.1f}" width="{step - 3:.1f}" '
            f'height="{step - 3:.1f}" rx="2" fill-opacity="{shade:.2f}"/></g>'
        )
    solved = int(np.count_nonzero(correct))
    words = f"{solved} of {len(problems)} problems are solved at least once."
    height = int(np.ceil(len(problems) / columns) * step) + 2
    inside = f'<g class="tts-squares">{"".join(parts)}</g>'
    return (
        f'{svg(height, words, inside)}<div class="tts-under">Squares are problems: '
        "hollow = not solved yet, fuller = right more often.</div>"
    )


def short(problem: Problem, length: int = 44) -> str:
    """A problem's prompt on one line."""
    line = " ".join(problem.prompt.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def svg(height: int, words: str, inside: str, *, width: int = WIDTH) -> str:
    """A picture with its words; a group where points of it can have the focus."""
    role = "group" if "tabindex=" in inside else "img"
    return (
        f'<svg class="tts-svg" viewBox="0 0 {width} {height}" role="{role}" '
        f'aria-label="{escape(words)}">{inside}</svg>'
    )


def points(x: FloatArray, y: FloatArray) -> str:
    pairs = zip(x.tolist(), y.tolist(), strict=True)
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in pairs)


def text(x: float, y: float, words: str, name: str = "", anchor: str = "start") -> str:
    return (
        f'<text class="{name}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{escape(words)}</text>"
    )


def axes(scale: Scale, label: str, y_label: str = "coverage") -> str:
    """Grid, tick labels and names of both axes."""
    parts = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = scale.y(share)
        name = "tts-grid" if share else "tts-base"
        parts.append(f'<path class="{name}" d="M{LEFT} {y:.1f}H{RIGHT}"/>')
        parts.append(text(LEFT - 8, y + 4, f"{share:.0%}", "tts-tick", "end"))
    for tick in log_ticks(scale.low, scale.high):
        x = scale.x(tick)
        parts.append(f'<path class="tts-grid" d="M{x:.1f} {TOP}V{BOTTOM}"/>')
        parts.append(text(x, BOTTOM + 17, plain(tick), "tts-tick", "middle"))
    parts.append(text((LEFT + RIGHT) / 2, HEIGHT - 8, label, "tts-x", "middle"))
    middle = (TOP + BOTTOM) / 2
    turned = text(0, 0, y_label, "", "middle")
    parts.append(f'<g transform="translate(12 {middle}) rotate(-90)">{turned}</g>')
    return f'<g aria-hidden="true">{"".join(parts)}</g>'


def _earlier(points: str, number: int) -> str:
    """A line of an earlier curve, told from others by its dashes."""
    dash = DASHES[number % len(DASHES)]
    return f'<path class="tts-earlier" stroke-dasharray="{dash}" d="{points}"/>'


def _labels(
    every: Sequence[Measured], places: Sequence[FloatArray], scale: Scale
) -> list[str]:
    """Each curve's name and last coverage, 31 pixels apart or more: the current one's
    at its end, the others', with their dashes, right of the plot."""
    means = [one.curve.mean[-1] for one in every]
    order = sorted(range(len(every)), key=lambda i: -means[i])
    heights, free = [0.0] * len(every), TOP + 2.0
    for i in order:  # from the top down, then back up from the floor
        heights[i] = free = max(float(scale.y(means[i])), free)
        free += 31
    free = BOTTOM - 24.0
    for i in reversed(order):
        heights[i] = free = min(heights[i], free)
        free -= 31
    parts = []
    for i, (one, mean, y) in enumerate(zip(every, means, heights, strict=True)):
        digits = 1 if mean < 0.1 or 0.99 < mean < 1 else 0
        name = one.name if len(one.name) <= 18 else f"{one.name[:17]}…"
        left = name_left = float(scale.x(places[-1][-1])) + 10
        if one is not every[-1]:
            left, name_left = RIGHT + 10, RIGHT + 40
            parts.append(_earlier(f"M{left} {y:.1f}h24", i))
        parts.append(text(name_left, y + 4, f"{name}  {mean:.{digits}%}", "tts-name"))
        parts.append(text(left, y + 18, one.detail, "tts-detail"))
    return parts


def _readings(
    now: Measured,
    x: FloatArray,
    scale: Scale,
    budget: Budget,
    cost: FloatArray,
    label: str,
) -> list[str]:
    """A strip around each point that shows its numbers under mouse and focus."""
    curve = now.curve
    edges = np.concatenate([[LEFT], (x[1:] + x[:-1]) / 2, [max(x[-1] + 8, LEFT + 9)]])
    heights = scale.y(curve.mean)
    parts = [_dot(x[-1], heights[-1])]
    for i, k in enumerate(curve.k.tolist()):
        words = (
            f"{plain(k)} {BUDGETS['samples']}: coverage {curve.mean[i]:.1%} "
            f"[{curve.low[i]:.1%}, {curve.high[i]:.1%}]"
        )
        if budget != "samples":
            words += f", {plain(cost[i])} {label}"
        width = edges[i + 1] - edges[i]
        parts.append(
            f'<g class="tts-reading" tabindex="{-(i < len(x) - 1)}" role="img" '
            f'aria-label="{escape(words)}"><rect x="{edges[i]:.1f}" y="{TOP}" '
            f'width="{width:.1f}" height="{BOTTOM - TOP}"/>'
            f'<path d="M{x[i]:.1f} {TOP}V{BOTTOM}"/>'
            f"{_dot(x[i], heights[i])}{text(LEFT, 14, words)}</g>"
        )
    return parts


def _dot(x: float, y: float) -> str:
    return f'<circle class="tts-dot" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
