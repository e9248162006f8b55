"""The model card of a reviser, written by the run that made it.

Everything on it was measured: by the training run (`training.json`) or by letting the
reviser write chains on validation problems, at temperature 1.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np

from tts_lab import ladder, problems
from tts_lab.run import run
from tts_lab.strategies.revision import revise
from tts_lab.verifiers.exact import Exact

KINDS = (("chains", 5), ("chains", 7), ("countdown", 3))
PROBLEMS, CHAINS, STEPS, SEED = 64, 4, 8, 1


def steps(folder: Path, domain: str, level: int) -> dict[str, object]:
    """Pass@1 at each attempt, and the shares spoilt and mended from one to the next."""
    some = problems.sample(domain, level, PROBLEMS, split="validation", seed=SEED)
    outcomes = run(
        partial(revise, n=CHAINS * STEPS, chains=CHAINS), some,
        proposer=ladder.load(folder), verifier=Exact(), seed=SEED,
    )  # fmt: skip
    right = np.array([[s == 1 for _, s in outcome.value] for outcome in outcomes])
    right = right.reshape(PROBLEMS, STEPS, CHAINS)
    before, after = right[:, :-1], right[:, 1:]
    return {
        "domain": domain,
        "level": level,
        "pass_at_1": right.mean(axis=(0, 2)).round(3).tolist(),
        "spoilt": round(float((before & ~after).sum() / max(before.sum(), 1)), 3),
        "mended": round(float((~before & after).sum() / max((~before).sum(), 1)), 3),
    }


def write(folder: Path) -> None:
    """Write `README.md` of a reviser from its `training.json` and its chains."""
    record = json.loads((folder / "training.json").read_text())
    record["chains"] = [steps(folder, *kind) for kind in KINDS]
    (folder / "training.json").write_text(json.dumps(record, indent=1) + "\n")
    head = " | ".join(str(i + 1) for i in range(STEPS))
    lines = [
        "---",
        "library_name: transformers",
        "tags: [test-time-scaling, revision, arithmetic, countdown]",
        "---",
        f"# `{record['name']}` of `tts_lab`",
        "",
        f"Rung {record['base']}, tuned by `tts-lab train-reviser {record['name']}` to "
        "revise its own attempts (after Snell et al., 2408.03314, sec. 6).",
        "",
        "| | |",
        "|---|---|",
        f"| parameters | {record['parameters']:,} |",
        f"| trajectories | {record['drawn']:,} tokens, {record['contexts']} contexts |",
        f"| random numbers to be written again | {record['copied']:,} tokens |",
        f"| wall time | {record['seconds'] / 60:.0f} min |",
        f"| training loss | {record['loss']:.3f} nats per token of the last attempt |",
        f"| seed | {record['seed']} |",
        "",
        f"Validation pass@1 at each attempt ({PROBLEMS} problems x {CHAINS} chains, "
        "temperature 1), and what the next attempt spoils of right and mends of wrong "
        "ones:",
        "",
        f"| attempt | {head} | spoilt | mended |",
        "|---" * (STEPS + 3) + "|",
    ]
    for one in record["chains"]:
        shares = " | ".join(f"{p:.3f}" for p in one["pass_at_1"])
        lines.append(
            f"| {one['domain']} level {one['level']} | {shares} | "
            f"{one['spoilt']:.0%} | {one['mended']:.0%} |"
        )
    lines += [
        "",
        "It reads at most four attempts, each closed by a line `?`, and the problem "
        "once more (`tts_lab.strategies.revision.context`).",
        "",
    ]
    (folder / "README.md").write_text("\n".join(lines))
