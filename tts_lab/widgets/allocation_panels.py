"""The allocation explorer's numbers and words: tiles, status, text twin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import isnan

from tts_lab.figures.budget import plain
from tts_lab.widgets.allocation_answer import RESAMPLES, Answer
from tts_lab.widgets.allocation_chart import said
from tts_lab.widgets.runner import Status, status_line
from tts_lab.winners import BinShare, chosen

NO_BUDGET = "the estimate of the difficulty alone costs more"


def status_words(state: Status, answer: Answer, kind: str, budget: float) -> str:
    """What is going on, or what is chosen at the budget, in a sentence."""
    if state.phase == "failed":
        return f"{state.message.rstrip('.')}. Change that setting."
    if state.active:
        return f"{state.message or 'computing'} …"
    one, at = answer.at(kind, budget), f"{answer.said(budget)} {answer.scale[1]}"
    share = f"{one.accuracy:.1%} answered right" if one else NO_BUDGET
    return (
        f"At {at}: {share}. {answer.study.about}; chosen on one half of the problems, "
        f"judged on the other; 95% intervals from {RESAMPLES} resamples."
    )


def status(state: Status, answer: Answer, kind: str, budget: float) -> str:
    """The status line; announced by screen readers when it changes."""
    return status_line(state, status_words(state, answer, kind, budget), done="")


def tiles(answer: Answer, kind: str, baseline: str, budget: float) -> str:
    """The numbers at the budget."""
    ours, base = answer.at(kind, budget), answer.baseline(baseline, budget)
    values = []
    for name, one in ((f"compute-optimal, {kind}", ours), (baseline, base)):
        if one is None:
            values.append((name, "–", "nothing within the budget"))
            continue
        spent = answer.said(float(one.cost.mean()))
        interval = f"[{one.low:.0%}, {one.high:.0%}]"
        values.append((name, f"{one.accuracy:.1%}", f"{interval} for {spent}"))
    for as_spent, more in ((False, ""), (True, ", as spent")):
        ratio = answer.efficiency(kind, baseline, budget, spent=as_spent)
        words = ratio.words().replace("at least ", "≥ ") if ratio else "–"
        number, _, rest = words.partition(" [")
        title = f"{baseline} ÷ compute-optimal{more}"
        values.append((title, number, f"[{rest}" if rest else ""))
    estimate = answer.said(answer.study.estimate[kind])
    charged = "charged" if answer.settings.charged else "not charged"
    values.append(("cost of the estimate", estimate, charged))
    boxes = "".join(
        f"<div><span>{escape(name)}</span><br><b>{value}</b> {unit}</div>"
        for name, value, unit in values
    )
    return f'<div class="tts-tiles">{boxes}</div>'


def under(answer: Answer, baseline: str) -> str:
    """What the ratio means, under the tiles."""
    words = (
        f"{baseline} ÷ compute-optimal: what {baseline} spends within the budget, by "
        "the budget that the choice needs for the same accuracy, or by what it spends "
        f"of that (the budget is a limit for each bin). Costs: {answer.scale[1]}."
    )
    return f'<div class="tts-under">{escape(words)}</div>'


def rows(
    answer: Answer,
    kind: str,
    baseline: str,
    budget: float,
    shares: Mapping[str, Sequence[BinShare]],
) -> list[str]:
    """Everything that is shown, in words."""
    lines = [
        answer.settings.caption(),
        answer.study.about,
        f"budget {answer.said(budget)} {answer.scale[1]}, {kind} bins",
    ]
    for name in answer.ours:
        one = answer.at(name, budget)
        lines.append(
            f"  compute-optimal, {name}: {said(answer, one) if one else NO_BUDGET}"
        )
    for name in answer.base:
        one = answer.baseline(name, budget)
        lines.append(
            f"  {name}: {said(answer, one) if one else 'nothing within the budget'}"
        )
    for spent in (False, True):
        ratio = answer.efficiency(kind, baseline, budget, spent=spent)
        if ratio is not None:
            words = ", by what is spent" if spent else ""
            lines.append(
                f"  {baseline} ÷ compute-optimal at equal accuracy{words}: "
                f"{ratio.words()}"
            )
    allocation = answer.at(kind, budget)
    difficulty = answer.study.difficulty[kind]
    for b, name in enumerate(bin_names(difficulty.bins)):
        problems = len(difficulty.rows(b))
        if not problems:
            lines.append(f"bin {name}: no problems")
            continue
        words = " or ".join(chosen(allocation)[b]) if allocation else NO_BUDGET
        lines.append(f"bin {name}, {problems} problems: {words}")
        lines += [
            f"  {one}: {own[b].value:.1%} [{own[b].low:.1%}, {own[b].high:.1%}] for "
            f"{answer.said(own[b].cost)}"
            for one, own in shares.items()
            if not isnan(own[b].value)
        ]
    return lines


def bin_names(bins: int) -> list[str]:
    """Bins as they are called, easiest first.

    >>> bin_names(3)
    ['1 (easiest)', '2', '3 (hardest)']
    """
    ends = {0: "1 (easiest)", bins - 1: f"{plain(bins)} (hardest)"}
    return [ends.get(b, str(b + 1)) for b in range(bins)]
