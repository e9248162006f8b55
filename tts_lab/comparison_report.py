"""A comparison written down: Markdown to read, a picture, JSON to compute with.

Promises: accuracy never without its interval, cost and number of problems; what was
chosen by difficulty was judged on problems it was not chosen on; the JSON holds every
problem's outcome and cost. Not covered: running (`tts_lab.compare`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from tts_lab import __version__, figures
from tts_lab.allocate import Allocation, best_of, compute_optimal
from tts_lab.compare import BASELINE, Comparison, Result, Share
from tts_lab.printable import markdown as plain
from tts_lab.race import Cost

ROOM = 1.25
PER_BIN = 16  # problems at least; on fewer, half of them to choose, it is a lottery
_UNIT = {"samples": "samples", "tokens": "tokens", "flops": "FLOPs"}


def write(
    comparison: Comparison, folder: Path, *, notes: Mapping[str, object] | None = None
) -> list[Path]:
    """Write `report.md`, `report.png` and `report.json` into a folder.

    Parameters
    ----------
    comparison : Comparison
    folder : path
        Made when it is not there.
    notes : mapping, optional
        What else the reader should know (files, formats, backends).
    """
    folder.mkdir(parents=True, exist_ok=True)
    told = dict(notes or {})
    paths = [folder / f"report.{kind}" for kind in ("md", "png", "json")]
    if comparison.results:
        picture(comparison).savefig(paths[1], dpi=160, facecolor="white")
    paths[0].write_text(markdown(comparison, notes=told), encoding="utf-8")
    paths[2].write_text(
        json.dumps(as_json(comparison, notes=told), indent=1) + "\n", encoding="utf-8"
    )
    return [path for path in paths if path.exists()]


def picture(comparison: Comparison, cost: Cost | None = None) -> figures.Picture:
    """Accuracy against cost, one line a strategy.

    Raises
    ------
    ValueError
        If nothing was measured.
    """
    if not comparison.results:
        raise ValueError("nothing was measured, so there is nothing to draw")
    return figures.race(
        comparison.results,
        cost=cost or comparison.cost,
        title=f"{comparison.policy} with {comparison.verifier}",
    )


def markdown(
    comparison: Comparison, *, notes: Mapping[str, object] | None = None
) -> str:
    """The report in words and tables."""
    c = comparison
    lines = [
        f"# {plain(c.policy)} with {plain(c.verifier)}: which strategy pays",
        "",
        f"{len(c.problems)} problems, seed {c.seed}, tts_lab {__version__}. Intervals "
        "are 95%, over problems. Costs are means per problem, with the verifier's "
        "reading and pruned branches.",
    ]
    lines += [f"- {name}: {plain(value)}" for name, value in (notes or {}).items()]
    if not c.complete:
        lines += ["", "**Broken off**: what follows was finished before."]
    if not c.results:
        return "\n".join([*lines, "", "Nothing was finished.", ""])
    if c.cost == "tokens":
        lines += ["", "A model's number of parameters is not known, so FLOPs are not."]
    lines += ["", "![accuracy against cost](report.png)", "", *_table(c), ""]
    lines += [f"- {sentence}" for sentence in findings(c)]
    lines += ["", *_by_difficulty(c), ""]
    return "\n".join(lines)


def findings(comparison: Comparison) -> list[str]:
    """Which strategy is best at each n, and whether it beats best-of-n for sure."""
    found = []
    for n in dict.fromkeys(one.n for one in comparison.results):
        mine = [one for one in comparison.results if one.n == n]
        best = max(mine, key=lambda one: one.accuracy()[0])
        words = f"n = {n}: {best.strategy} is right most often, {_share(best)}"
        gap = comparison.difference(best)
        if best.strategy != BASELINE and gap is not None:
            sure = "above it for sure" if gap[1] > 0 else "not told apart from it"
            words += f"; less {BASELINE} {_signed(gap)}: {sure}"
        found.append(words + ".")
    return found


def allocations(comparison: Comparison, *, bins: int) -> dict[str, list[Allocation]]:
    """best_of_n, one option for all problems, and one per bin, at the same budgets.

    A budget is a mean cost per problem that no bin may pass. So each n of best_of_n
    gives the budget 1.25 times what it costs in its dearest bin: it fits everywhere,
    also where half of a bin costs more than all of it.

    Parameters
    ----------
    comparison : Comparison
    bins : int
        Of difficulty, see `Comparison.difficulty`.

    Raises
    ------
    ValueError
        If best_of_n was not run, or there are fewer problems than bins.
    """
    cost = comparison.cost
    every = comparison.options(cost)
    base = [one for one in every if one.name.startswith(f"{BASELINE},")]
    if not base:
        raise ValueError(f"{BASELINE} was not run, so there are no budgets to match")
    difficulty = comparison.difficulty(bins)
    budgets = sorted(
        {
            ROOM * max(float(one.cost[difficulty.rows(b)].mean()) for b in range(bins))
            for one in base
        }
    )
    return {
        BASELINE: best_of(base, budgets),
        "one option for all": compute_optimal(every, comparison.difficulty(1), budgets),
        "one option per bin": compute_optimal(every, difficulty, budgets),
    }


def as_json(
    comparison: Comparison, *, notes: Mapping[str, object] | None = None
) -> dict[str, Any]:
    """Everything measured, problem by problem, with where it came from."""
    c = comparison
    return {
        "schema": 1,
        "tts_lab": __version__,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "policy": c.policy,
        "verifier": c.verifier,
        "seed": c.seed,
        "complete": c.complete,
        "notes": {name: str(value) for name, value in (notes or {}).items()},
        "problems": [problem.id for problem in c.problems],
        "results": [
            {
                "strategy": one.strategy,
                "n": one.n,
                "accuracy": dict(
                    zip(("mean", "low", "high"), one.accuracy(), strict=True)
                ),
                "right": one.right.astype(int).tolist(),
                "coverage": one.coverage.astype(int).tolist(),
                "samples": one.costs("samples").tolist(),
                "tokens": one.costs("tokens").tolist(),
                "flops": one.costs("flops").tolist() if c.cost == "flops" else None,
                "seconds": [ledger.seconds for ledger in one.ledgers],
            }
            for one in c.results
        ],
    }


def _table(c: Comparison) -> list[str]:
    rows = [
        "| strategy | n | right | less best_of_n | some trace right | samples | "
        "tokens written | tokens read | FLOPs |",
        "|---|---:|---|---|---:|---:|---:|---:|---:|",
    ]
    for one in c.results:
        gap = c.difference(one)
        written = np.mean([ledger.generated_tokens for ledger in one.ledgers])
        read = np.mean([ledger.verifier_tokens for ledger in one.ledgers])
        flops = f"{one.cost('flops'):.3g}" if c.cost == "flops" else "unknown"
        rows.append(
            f"| {one.strategy} | {one.n} | {_share(one)} | "
            f"{'' if gap is None or one.strategy == BASELINE else _signed(gap)} | "
            f"{one.coverage.mean():.3f} | {one.cost('samples'):.1f} | "
            f"{written:,.0f} | {read:,.0f} | {flops} |"
        )
    return rows


def _by_difficulty(c: Comparison) -> list[str]:
    """Choosing per difficulty bin, where there are problems enough to choose on."""
    bins = min(5, len(c.problems) // PER_BIN)
    if not c.complete or bins < 2 or not c.of(BASELINE):
        return [
            "Choosing by difficulty is left out: it needs a whole comparison with "
            f"{BASELINE} and {2 * PER_BIN} problems or more."
        ]
    unit = _UNIT[c.cost]
    found = allocations(c, bins=bins)
    lines = [
        f"## Allocating by difficulty: {bins} oracle bins, chosen on one half of the "
        "problems and judged on the other",
        "",
        f"| {unit} per problem | {' | '.join(found)} | "
        "chosen per bin, easiest first (both halves) |",
        "|---:|" + "---|" * (len(found) + 1),
    ]
    for row in zip(*found.values(), strict=True):
        halves = "; ".join(" / ".join(half) for half in row[-1].choices)
        spans = " | ".join(map(_span, row))
        lines.append(f"| {row[0].budget:.3g} | {spans} | {halves} |")
    return lines


def _span(one: Allocation) -> str:
    spent = one.cost.mean()
    return f"{one.accuracy:.3f} [{one.low:.3f}, {one.high:.3f}], spends {spent:.3g}"


def _share(one: Result) -> str:
    return "{:.3f} [{:.3f}, {:.3f}]".format(*one.accuracy())


def _signed(gap: Share) -> str:
    return "{:+.3f} [{:+.3f}, {:+.3f}]".format(*gap)
