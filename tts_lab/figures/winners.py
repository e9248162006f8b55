"""Figures of who wins: the strategies in each difficulty bin, at one budget or all.

Promises and limits are those of `tts_lab.figures`; a kind of strategy has the same
colour in every figure, and its name or a short one stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from tts_lab.allocate import Allocation
from tts_lab.figures.allocation import checked
from tts_lab.figures.budget import Budget, plain, scaled
from tts_lab.figures.picture import STYLES, Picture, caption, start
from tts_lab.winners import BinShare, chosen, kinds

#: the place in the palette of the kinds of strategy that the course has
_PLACES = {
    "best-of-n": 0, "beam search": 1, "weighted vote": 2, "DVTS": 3, "majority": 4,
    "REBASE": 5, "lookahead 1": 6, "parallel": 0, "sequential": 1, "mixed": 2,
    "one attempt": 4,
}  # fmt: skip


def bin_winners(
    shares: Mapping[str, Sequence[BinShare]],
    allocation: Allocation,
    *,
    budget: Budget = "flops",
    names: Sequence[str] | None = None,
    title: str = "Who wins in which bin",
) -> Picture:
    """Draw, for each bin, each kind of strategy and the option that was chosen.

    Parameters
    ----------
    shares : mapping of kind to sequence of BinShare
        What `tts_lab.winners.by_bin` gives.
    allocation : Allocation
        Of the same budget, bins and folds.
    budget : "samples", "tokens" or "flops"
        The unit of the budget.
    names : sequence of str, optional
        Of the bins; numbers by default.
    title : str

    Returns
    -------
    Picture
        A row for each bin, the easiest on top; at its right the chosen option, and
        both where the two folds chose differently.

    Raises
    ------
    ValueError
        If the numbers of bins differ, or the unit is another.
    """
    checked([[allocation]], budget)
    bins = len(allocation.choices[0])
    labels = _named(names, bins)
    for name, mine in shares.items():
        if len(mine) != bins:
            raise ValueError(f"{name!r} has {len(mine)} bins, the allocation {bins}")
    problems = [mine.problems for mine in next(iter(shares.values()))]
    figure, (axes,) = start(title)
    figure.set_size_inches(9.6, 1.9 + 0.78 * bins)
    places, gap = styles(shares), 0.76 / max(len(shares) - 1, 1)
    for row, name in enumerate(shares):
        colour, marker, _ = STYLES[places[name] % len(STYLES)]
        table = np.array([[s.value, s.low, s.high] for s in shares[name]])
        axes.errorbar(
            table[:, 0], np.arange(bins) + (row * gap - 0.38 if len(shares) > 1 else 0),
            xerr=np.abs(table[:, 1:].T - table[:, 0]), color=colour, marker=marker,
            linestyle="", markersize=5, elinewidth=0.9, capsize=2, label=name,
        )  # fmt: skip
    axes.set_ylim(bins - 0.5, -0.5)
    axes.set_yticks(
        range(bins), [f"{a}\n{n} problems" for a, n in zip(labels, problems,
                                                           strict=True)]
    )  # fmt: skip
    axes.yaxis.grid(False)
    for edge in range(1, bins):
        axes.axhline(edge - 0.5, color="0.8", linewidth=0.8)
    axes.set_xlim(-0.02, 1.02)
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.set_xlabel("share of the bin's problems answered right", fontsize=11)
    axes.set_ylabel("difficulty bin", fontsize=11)
    for b, options in enumerate(chosen(allocation)):
        words = "\nor ".join(options) if problems[b] else "no problems"
        axes.annotate(words, (1.03, b), xycoords=("axes fraction", "data"),
                      va="center", fontsize=10, annotation_clip=False)  # fmt: skip
    axes.annotate("chosen", (1.03, 1.03), xycoords="axes fraction", fontsize=10.5,
                  fontweight="bold", annotation_clip=False)  # fmt: skip
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.02, 1), ncols=4 if len(shares) > 5 else 5,
        frameon=False, fontsize=10, handletextpad=0.2, columnspacing=1.2,
    )  # fmt: skip
    unit, label = scaled(budget, allocation.budget)
    for b, options in enumerate(chosen(allocation)):
        figure.rows.append(
            f"{labels[b]}, {problems[b]} problems: {' or '.join(options)}"
            if problems[b] else f"{labels[b]}: no problems"
        )  # fmt: skip
        figure.rows += [
            f"  {name}: {mine[b].value:.3f} [{mine[b].low:.3f}, {mine[b].high:.3f}]"
            f" for {plain(mine[b].cost / unit)}"
            for name, mine in shares.items()
            if not np.isnan(mine[b].value)
        ]
    caption(
        figure,
        f"budget {plain(allocation.budget / unit)} {label}; bars: 95% interval over the"
        " bin's problems\nchosen on the other half of the problems; two options where "
        "the halves chose differently",
    )
    return figure


def winner_map(
    allocations: Sequence[Allocation],
    *,
    budget: Budget = "flops",
    names: Sequence[str] | None = None,
    problems: Sequence[int] | None = None,
    title: str = "The winning kind of strategy, by budget and bin",
) -> Picture:
    """Draw which kind of strategy is chosen at each budget in each bin.

    Parameters
    ----------
    allocations : sequence of Allocation
        By rising budget, with the same bins.
    budget : "samples", "tokens" or "flops"
        The unit of the budgets.
    names : sequence of str, optional
        Of the bins; numbers by default.
    problems : sequence of int, optional
        In each bin; one without problems stays empty.
    title : str

    Returns
    -------
    Picture
        A cell has the colour and the short name of the winner; it is cut in two where
        the folds chose different kinds.

    Raises
    ------
    ValueError
        If there are no allocations, their bins differ, or the unit is another.

    References
    ----------
    After Snell et al. (2408.03314), sec. 3.2, where the choice is defined.
    """
    checked([allocations], budget)
    bins = len(allocations[0].choices[0])
    labels = _named(names, bins)
    sizes = [1] * bins if problems is None else list(problems)
    numbers = [len(sizes), *(len(one.choices[0]) for one in allocations)]
    if len(set(numbers)) > 1:
        raise ValueError(f"numbers of bins {numbers}; accepted are equal ones")
    cells = [
        [own if n else () for own, n in zip(kinds(one), sizes, strict=True)]
        for one in allocations
    ]
    every = list(dict.fromkeys(k for column in cells for own in column for k in own))
    places, codes = styles(every), short_names(every)
    figure, (axes,) = start(title)
    figure.set_size_inches(max(7.2, 1.9 + 0.52 * len(cells)), 1.9 + 0.5 * bins)
    for x, column in enumerate(cells):
        for b, own in enumerate(column):
            for part, name in enumerate(own):
                height = 1 / len(own)
                colour = STYLES[places[name] % len(STYLES)][0]
                bottom = b - 0.5 + part * height
                axes.add_patch(Rectangle(
                    (x - 0.5, bottom), 1, height, facecolor=to_rgba(colour, 0.4),
                    edgecolor="white", linewidth=1.5,
                ))  # fmt: skip
                axes.text(x, bottom + height / 2, codes[name], ha="center",
                          va="center", fontsize=9)  # fmt: skip
    axes.set_xlim(-0.5, len(cells) - 0.5)
    axes.set_ylim(bins - 0.5, -0.5)
    axes.grid(False)
    unit, label = scaled(budget, allocations[-1].budget)
    budgets = [plain(float(f"{one.budget / unit:.3g}")) for one in allocations]
    axes.set_xticks(range(len(cells)), budgets, fontsize=9.5)
    axes.set_yticks(range(bins), labels)
    axes.set_xlabel(label, fontsize=11)
    axes.set_ylabel("difficulty bin", fontsize=11)
    handles = [
        Line2D([], [], marker="s", markersize=9, linestyle="", label=f"{codes[k]}: {k}",
               markerfacecolor=to_rgba(STYLES[places[k] % len(STYLES)][0], 0.4),
               markeredgecolor="none")
        for k in every
    ]  # fmt: skip
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.02),
                frameon=False, fontsize=10, borderaxespad=0)  # fmt: skip
    for b in range(bins):
        figure.rows.append(f"{labels[b]}, by {label}")
        figure.rows += [
            f"  {at}: {' or '.join(column[b]) or 'no problems'}"
            for at, column in zip(budgets, cells, strict=True)
        ]
    caption(
        figure,
        f"{len(allocations[0].right)} problems; a cell is cut in two where the halves "
        "of the problems chose differently",
    )
    return figure


def styles(families: Iterable[str]) -> dict[str, int]:
    """Of each kind of strategy its place in the palette, the same in every figure.

    >>> styles(["majority", "my search", "best-of-n"])
    {'majority': 4, 'my search': 1, 'best-of-n': 0}
    """
    some = list(dict.fromkeys(families))
    free = [i for i in range(len(some) + len(STYLES))
            if i not in {_PLACES.get(name) for name in some}]  # fmt: skip
    return {
        name: _PLACES[name] if name in _PLACES else free.pop(0) for name in some
    }  # fmt: skip


def short_names(families: Iterable[str]) -> dict[str, str]:
    """A short name of each kind of strategy, no two the same.

    >>> short_names(["best-of-n", "beam search", "majority", "mixed", "lookahead 1"])
    {'best-of-n': 'BoN', 'beam search': 'BS', 'majority': 'M', 'mixed': 'Mi',
     'lookahead 1': 'L1'}
    """
    found: dict[str, str] = {"best-of-n": "BoN"}
    some = list(dict.fromkeys(families))
    for name in some:
        words = name.split()
        tries = ["".join(word[0] for word in words).upper()]
        tries += [words[0][:end].capitalize() for end in range(2, len(words[0]) + 1)]
        free = [code for code in tries if code not in found.values()]
        found.setdefault(name, free[0] if free else name)
    return {name: found[name] for name in some}


def _named(names: Sequence[str] | None, bins: int) -> list[str]:
    if names is None:
        ends = {0: "1 (easiest)", bins - 1: f"{bins} (hardest)"}
        return [ends.get(b, str(b + 1)) for b in range(bins)]
    if len(names) != bins:
        raise ValueError(f"names are {list(names)} for {bins} bins")
    return list(names)
