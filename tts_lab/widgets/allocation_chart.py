"""The allocation explorer's charts as SVG: curves, strategies by bin, winners' map.

Promises: as `tts_lab.widgets.chart`; a kind of strategy is told by shape, short name
and colour. Not covered: figures to keep (`tts_lab.figures.winners`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import isnan

import numpy as np

from tts_lab.allocate import Allocation
from tts_lab.figures.winners import short_names, styles
from tts_lab.widgets import chart
from tts_lab.widgets.allocation_answer import Answer
from tts_lab.widgets.chart import BOTTOM, DASHES, HEIGHT, RIGHT, TOP, WIDTH, text
from tts_lab.winners import BinShare, chosen, kinds

LEFT, END = 118, 372  # of the plot of bins
ROW = 13  # pixels for each kind of strategy in a bin


def curves(answer: Answer, baseline: str, budget: float) -> str:
    """Accuracy against budget: the choices by bins, and two baselines.

    Parameters
    ----------
    answer : Answer
    baseline : str
        The other one is the last that there is, or else the first.
    budget : float
        Marked.
    """
    unit, label = answer.scale
    scale = chart.Scale(answer.budgets[0] / unit, answer.budgets[-1] / unit)
    names = list(answer.base)
    two = list(dict.fromkeys([baseline, names[-1], names[0]]))[:2]
    series: list[tuple[str, Sequence[Allocation], Allocation | None]] = [
        (f"{name} bins", own, answer.at(name, budget))
        for name, own in answer.ours.items()
    ]
    series += [
        (name, [a for a in answer.base[name] if a.budget <= answer.budgets[-1]],
         answer.baseline(name, budget))
        for name in sorted(two, key=names.index)
    ]  # fmt: skip
    parts = [chart.axes(scale, label, "share answered right")]
    here = scale.x(budget / unit)
    parts.append(f'<path class="tts-here" d="M{here:.1f} {TOP}V{BOTTOM}"/>')
    ends: list[tuple[float, int, str]] = []
    for number, (name, every, now) in enumerate(series):
        shown = [a for a in every if a.budget >= answer.budgets[0] * 0.999]
        if not shown:
            continue
        x = scale.x(np.array([a.budget for a in shown]) / unit)
        y, low, high = scale.y(
            np.array([[a.accuracy, a.low, a.high] for a in shown]).T
        )  # fmt: skip
        dash = f' stroke-dasharray="{DASHES[number - 1]}"' if number else ""
        band = chart.points(np.append(x, x[::-1]), np.append(low, high[::-1]))
        parts.append(
            f'<g class="tts-race tts-race{number % 4}"><path class="tts-band" '
            f'd="{band}Z"/><path class="tts-curve"{dash} d="{chart.points(x, y)}"/>'
        )
        if now is not None:
            words = f"{name}: {said(answer, now)}"
            parts.append(
                f'<g tabindex="0" role="img" aria-label="{escape(words)}"><title>'
                f'{escape(words)}</title><circle class="tts-dot" '
                f'cx="{max(float(scale.x(now.budget / unit)), chart.LEFT):.1f}" '
                f'cy="{float(scale.y(now.accuracy)):.1f}" r="5"/></g>'
            )
        parts.append("</g>")
        ends.append((float(y[-1]), number, name))
    free = TOP + 4.0
    for height, number, name in sorted(ends):
        at = min(max(height + 4, free), BOTTOM)
        lines = name.split(", ")
        for i, words in enumerate(lines):
            style = "tts-detail" if i else "tts-name"
            parts.append(
                f'<g class="tts-race tts-race{number % 4}">'
                f"{text(RIGHT + 8, at + 14 * i, words, style)}</g>"
            )
        free = at + 3 + 14 * len(lines)
    words = f"Accuracy against {label}: " + "; ".join(
        f"{name} {now.accuracy:.0%}" for name, _, now in series if now
    )
    return chart.svg(HEIGHT, f"{words} at {answer.said(budget)}.", "".join(parts))


def bins(
    shares: Mapping[str, Sequence[BinShare]],
    allocation: Allocation | None,
    names: Sequence[str],
) -> str:
    """A row for each bin: every kind of strategy, and which option is chosen."""
    kept = {name: own for name, own in shares.items()
            if not all(isnan(share.value) for share in own)}  # fmt: skip
    written = [_lines(own) for own in chosen(allocation)] if allocation else []
    height = max(ROW * len(kept) + 14, 46, *(14 * len(own) + 12 for own in written))
    bottom = 24 + height * len(names)
    parts = [text(END + 22, 14, "chosen", "tts-name")]
    for share in (0, 0.25, 0.5, 0.75, 1):
        x = _x(share)
        parts.append(f'<path class="tts-grid" d="M{x:.1f} 24V{bottom}"/>')
        parts.append(text(x, bottom + 16, f"{share:.0%}", "tts-tick", "middle"))
    label = "share of the bin answered right"
    parts.append(text((LEFT + END) / 2, bottom + 34, label, "tts-x", "middle"))
    places, seen = styles(shares), False
    for b, name in enumerate(names):
        top = 24 + b * height
        problems = next(iter(shares.values()))[b].problems
        winners = kinds(allocation)[b] if allocation and problems else ()
        lines = written[b] if written and problems else []
        parts.append(f'<path class="tts-base" d="M0 {top}H{WIDTH}"/>')
        parts.append(text(0, top + height / 2 - 2, name, "tts-name"))
        parts.append(text(0, top + height / 2 + 13, f"{problems} problems",
                          "tts-detail"))  # fmt: skip
        for row, (kind, own) in enumerate(kept.items()):
            one = own[b]
            if isnan(one.value):
                continue
            y = top + 13 + row * ROW
            mark = " tts-won" if kind in winners else ""
            words = f"bin {name}, {kind}: {_share(one)}"
            parts.append(
                f'<g class="tts-kind tts-kind{places[kind] % 7}{mark}" role="img" '
                f'tabindex="{-seen}" aria-label="{escape(words)}"><title>'
                f'{escape(words)}</title><path class="tts-whisker" '
                f'd="M{_x(one.low):.1f} {y}H{_x(one.high):.1f}"/>'
                f"{shape(places[kind], _x(one.value), y)}</g>"
            )
            seen = True
        first = top + height / 2 + 4 - 7 * (len(lines) - 1)
        for i, line in enumerate(
            lines or ["the estimate costs more" if problems else "no problems"]
        ):
            parts.append(text(END + 22, first + 14 * i, line, "tts-option"))
    parts.append(f'<path class="tts-base" d="M0 {bottom}H{WIDTH}"/>')
    won = [f"{name}: {' or '.join(chosen(allocation)[b])}" if allocation else name
           for b, name in enumerate(names)]  # fmt: skip
    words = "Accuracy of each strategy in each difficulty bin; chosen: "
    return chart.svg(int(bottom) + 42, words + "; ".join(won), "".join(parts))


def winner_map(answer: Answer, kind: str, budget: float, names: Sequence[str]) -> str:
    """Budget by bin, each cell with the kind of strategy that is chosen."""
    difficulty = answer.study.difficulty[kind]
    sizes = [len(difficulty.rows(b)) for b in range(difficulty.bins)]
    columns = {a.budget: kinds(a) for a in answer.ours[kind]}
    every = list(dict.fromkeys(k for c in columns.values() for own in c for k in own))
    codes, places = short_names(every), styles(every)
    step = (WIDTH - LEFT - 2) / len(answer.budgets)
    parts = []
    for b, name in enumerate(names):
        parts.append(text(0, 20 + 36 * b, name, "tts-name"))
        for i, at in enumerate(answer.budgets):
            own = columns[at][b] if at in columns and sizes[b] else ()
            words = " or ".join(own) or "nothing within the budget"
            x, y = LEFT + i * step, 2 + 36 * b
            words = escape(f"{name}, {answer.said(at)}: {words}")
            here = b == 0 and at == budget
            cell = [f'<g class="tts-square" tabindex="{-(not here)}" role="img" '
                    f'aria-label="{words}"><title>{words}</title>']  # fmt: skip
            for part, winner in enumerate(own):
                high = 34 / len(own)
                top = y + part * high
                cell.append(
                    f'<rect class="tts-cell tts-kind{places[winner] % 7}" x="{x:.1f}" '
                    f'y="{top:.1f}" width="{step - 2:.1f}" height="{high - 1:.1f}"/>'
                )
                cell.append(text(x + step / 2 - 1, top + high / 2 + 3.5, codes[winner],
                                 "tts-code", "middle"))  # fmt: skip
            parts.append("".join(cell) + "</g>")
    bottom = 36 * len(names)
    at = answer.budgets.index(budget)
    parts.append(
        f'<rect class="tts-here" x="{LEFT + at * step - 1:.1f}" y="1" '
        f'width="{step:.1f}" height="{bottom}"/>'
    )
    every_other = int(np.ceil(40 / step))
    for i, one in enumerate(answer.budgets):
        if i % every_other == 0:
            parts.append(text(LEFT + (i + 0.5) * step, bottom + 17, answer.said(one),
                              "tts-tick", "middle"))  # fmt: skip
    parts.append(text((LEFT + WIDTH) / 2, bottom + 36, answer.scale[1], "tts-x",
                      "middle"))  # fmt: skip
    won = "; ".join(
        f"{name}: {' or '.join(own) or 'none'}"
        for name, own in zip(names, columns.get(budget, [()] * len(names)),
                             strict=True)
    )  # fmt: skip
    said = (
        "The winning kind of strategy by budget and difficulty bin; at "
        f"{answer.said(budget)}: {won}."
    )
    return chart.svg(bottom + 44, said, "".join(parts)) + _legend(codes, places)


def said(answer: Answer, one: Allocation) -> str:
    """Accuracy, interval and what is spent, in the unit of the chart."""
    spent = answer.said(float(one.cost.mean()))
    return (
        f"{one.accuracy:.1%} [{one.low:.1%}, {one.high:.1%}] for {spent} "
        f"{answer.scale[1]}"
    )


def shape(place: int, x: float, y: float) -> str:
    """One of seven marks."""
    r = 5.0
    paths = (
        "",
        f"M{x - 4.4:.1f} {y - 4.4:.1f}h8.8v8.8h-8.8Z",
        f"M{x:.1f} {y - r:.1f}l5 9h-10Z",
        f"M{x:.1f} {y - r - 0.6:.1f}l5.6 5.6l-5.6 5.6l-5.6 -5.6Z",
        f"M{x:.1f} {y + r:.1f}l-5 -9h10Z",
        f"M{x - 1.7:.1f} {y - r:.1f}h3.4v3.3h3.3v3.4h-3.3v3.3h-3.4v-3.3h-3.3v-3.4h3.3Z",
        f"M{x - r:.1f} {y - r:.1f}l10 10M{x + r:.1f} {y - r:.1f}l-10 10",
    )
    if place % 7 == 0:
        return f'<circle class="tts-mark" cx="{x:.1f}" cy="{y:.1f}" r="{r:g}"/>'
    return f'<path class="tts-mark" d="{paths[place % 7]}"/>'


def legend(shares: Mapping[str, Sequence[BinShare]]) -> str:
    """The marks of the kinds of strategy."""
    some = [k for k, own in shares.items() if not all(isnan(s.value) for s in own)]
    places = styles(shares)
    marks = "".join(
        f'<span><svg class="tts-svg tts-key tts-kind tts-kind{places[kind] % 7}" '
        f'viewBox="0 0 14 14" aria-hidden="true">{shape(places[kind], 7, 7)}</svg>'
        f"{escape(kind)}</span>"
        for kind in some
    )
    filled = "<span>filled: chosen</span>" if some else ""
    return f'<div class="tts-legend">{marks}{filled}</div>'


def _legend(codes: Mapping[str, str], places: Mapping[str, int]) -> str:
    marks = "".join(
        f'<span><svg class="tts-svg tts-key" viewBox="0 0 14 14" aria-hidden="true">'
        f'<rect class="tts-cell tts-kind{places[kind] % 7}" width="14" height="14"/>'
        f"</svg>{escape(code)}: {escape(kind)}</span>"
        for kind, code in codes.items()
    )
    return f'<div class="tts-legend">{marks}</div>'


def _x(share: float) -> float:
    return LEFT + (END - LEFT) * share


def _share(one: BinShare) -> str:
    return f"{one.value:.1%} [{one.low:.1%}, {one.high:.1%}] of {one.problems} problems"


def _lines(options: Sequence[str]) -> list[str]:
    """The options that the folds chose, on short lines."""
    return [
        line
        for i, option in enumerate(options)
        for line in _wrapped(f"or {option}" if i else option)
    ]


def _wrapped(option: str, length: int = 38) -> list[str]:
    """An option's name on lines of such a length, broken at commas."""
    lines = [""]
    for part in option.split(", "):
        joined = f"{lines[-1]}, {part}" if lines[-1] else part
        if len(joined) > length and lines[-1]:
            lines[-1] += ","
            lines.append(f"  {part}")
        else:
            lines[-1] = joined
    return lines
