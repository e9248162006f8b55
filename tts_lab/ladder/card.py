"""The model card of a checkpoint, written by the run that made it.

Everything on the card was measured: by the training run (`training.json`) or by
sampling the checkpoint here on validation problems, at temperature 1.
"""

from __future__ import annotations

import json
from pathlib import Path

from tts_lab import problems
from tts_lab.ladder.data import LADDER, mixture
from tts_lab.ladder.rungs import RUNGS, Rung
from tts_lab.ledger import pretraining_flops

PROBLEMS, SAMPLES, SEED = 64, 16, 1

#: domain -> its tag, its name in a sentence
_WORDS = {
    "chains": ("arithmetic", "arithmetic chains"),
    "countdown": ("countdown", "countdown"),
    "programs": ("program-synthesis", "programs from examples"),
    "grids": ("arc", "rows of coloured cells that are transformed"),
}


def pass_at_1(
    folder: Path, domains: tuple[str, ...] = LADDER
) -> dict[str, dict[int, float]]:
    """Validation pass@1 of a checkpoint by domain and level, of those trained on.

    Mean over 64 problems of the share of right ones among 16 samples.
    """
    from functools import partial

    from tts_lab import ladder
    from tts_lab.run import run
    from tts_lab.strategies import count_correct
    from tts_lab.verifiers.exact import Exact

    proposer = ladder.load(folder)
    strategy = partial(count_correct, n=SAMPLES)
    table: dict[str, dict[int, float]] = {}
    for name, level in mixture(domains):
        some = problems.sample(name, level, PROBLEMS, split="validation", seed=SEED)
        outcomes = run(strategy, some, proposer=proposer, verifier=Exact(), seed=SEED)
        right = sum(outcome.value.correct for outcome in outcomes)
        table.setdefault(name, {})[level] = right / (PROBLEMS * SAMPLES)
    return table


def write(folder: Path, rung: Rung) -> None:
    """Write `README.md` of a checkpoint from its `training.json` and pass@1."""
    record = json.loads((folder / "training.json").read_text())
    scores = record["pass_at_1"] = pass_at_1(folder, rung.domains)
    (folder / "training.json").write_text(json.dumps(record, indent=1) + "\n")
    tokens = record["tokens"]
    tags, kinds = zip(*(_WORDS[domain] for domain in rung.domains), strict=True)
    title = f"Rung {rung.name} of the `tts_lab` ladder"
    if rung.name not in RUNGS:
        title = f"`{rung.name}` of `tts_lab`"
    lines = [
        "---",
        "library_name: transformers",
        f"tags: [test-time-scaling, {', '.join(tags)}]",
        "---",
        f"# {title}, {tokens:,} tokens",
        "",
        "A Llama of one character per token, trained from nothing by "
        f"`tts-lab train {rung.name}` on {' and '.join(kinds)}.",
        "",
        "| | |",
        "|---|---|",
        f"| parameters | {rung.parameters:,} |",
        f"| hidden, layers, heads, MLP | {rung.hidden}, {rung.layers}, {rung.heads}, "
        f"{rung.intermediate} |",
        f"| pretraining tokens | {tokens:,} in {record['batches']:,} batches |",
        "| pretraining FLOPs (6ND) | "
        f"{pretraining_flops(rung.parameters, tokens):.2e} |",
        f"| wall time | {record['seconds'] / 60:.0f} min, {record['hardware']} |",
        f"| training loss | {record['loss']:.3f} nats per trace token |",
        f"| seed | {record['seed']} |",
        "",
        f"Validation pass@1 (temperature 1, {PROBLEMS} problems x {SAMPLES} samples "
        "a level):",
        "",
    ]
    for name, levels in scores.items():
        lines += [
            f"| {name} level | " + " | ".join(str(level) for level in levels) + " |",
            "|---" * (len(levels) + 1) + "|",
            "| pass@1 | " + " | ".join(f"{p:.3f}" for p in levels.values()) + " |",
            "",
        ]
    lines += [
        "Not for any other use: it knows nothing but "
        f"{'this kind' if len(kinds) == 1 else 'these two kinds'} of problem.",
        "",
    ]
    (folder / "README.md").write_text("\n".join(lines))
