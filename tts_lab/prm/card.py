"""The card of the shipped verifiers: recipes, what training took, how good they are.

`tts-lab measure-verifiers` writes it beside the heads, from what the runs recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tts_lab.prm import report, train
from tts_lab.prm.recipes import RECIPES
from tts_lab.prm.report import Row

PATH = train.HEADS / "README.md"


def write(rows: Sequence[Row], path: Path = PATH) -> None:
    """Write the card of what is shipped and measured."""
    path.write_text(text(rows))


def text(rows: Sequence[Row]) -> str:
    """The card, as Markdown."""
    return "\n".join([*_recipes(), *_measured(rows), ""])


def _recipes() -> list[str]:
    lines = [
        "# Learned verifiers",
        "",
        "Each is the rung named as its trunk, three fixed layers that compare what",
        "the rung expected with what was written (`tts_lab.prm.comparison`), and a",
        "head fitted to labels; only the head is stored here. `tts-lab train-verifier",
        "NAME` trains it anew and writes a `LlamaForTokenClassification` folder.",
        "",
        "| name | what it is | traces of | labels | label accuracy | traces | steps "
        "| training FLOPs | seconds |",
        "|---|---|---|---|---:|---:|---:|---:|---:|",
    ]
    for name, recipe in RECIPES.items():
        made = train.shipped(name)
        labels: str = recipe.labels
        if labels in ("soft", "hard"):
            labels += f", {recipe.rollouts} rollouts a step"
        lines.append(
            f"| `{name}` | {recipe.title} | `{recipe.policy}` | {labels} | "
            f"{made.label_accuracy:.1%} | {made.traces:,} | {made.steps:,} | "
            f"{made.flops:.2g} | {made.seconds:.0f} |"
        )
    lines += [
        "",
        "Label accuracy: the share of steps whose label, above zero or not, agrees",
        "with the exact truth. Training FLOPs: sampling, completing and reading.",
        "",
    ]
    return lines


def _measured(rows: Sequence[Row]) -> list[str]:
    lines = [
        "## On held-out problems",
        "",
        f"Traces of `{report.POLICY}`, {report.PROBLEMS} problems of the frozen "
        f"evaluation set at each level, {report.SAMPLES} samples a problem, seed "
        f"{report.SEED}. AUC with 95% intervals over problems. Best-of-n: from pass@1 "
        f"to n = {report.SAMPLES}, beside coverage.",
    ]
    for domain, level in dict.fromkeys((row.domain, row.level) for row in rows):
        mine = [row for row in rows if (row.domain, row.level) == (domain, level)]
        lines += [
            "",
            f"### {domain}, level {level}",
            "",
            "| verifier | parameters | AUC within a problem | AUC across | "
            "calibration error | step accuracy | best-of-n | gap closed | "
            "FLOPs a trace | ms a trace |",
            "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
            *map(_row, mine),
        ]
    return lines


def _row(row: Row) -> str:
    def maybe(value: float | None) -> str:
        return "" if value is None else f"{value:.3f}"

    within, across = (
        f"{value:.3f} [{low:.3f}, {high:.3f}]"
        for value, low, high in (row.within, row.across)
    )
    return (
        f"| `{row.verifier}` | {row.parameters:,} | {within} | {across} | "
        f"{maybe(row.calibration_error)} | {maybe(row.step_accuracy)} | "
        f"{row.pass_at_1:.2f} to {row.best_of_n:.2f} of {row.coverage:.2f} | "
        f"{row.gap_closed:.0%} | {row.flops_per_trace:.2g} | "
        f"{1000 * row.seconds_per_trace:.2f} |"
    )
