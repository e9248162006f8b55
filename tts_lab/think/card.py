"""The model card of a thinker, written by the run that made it.

Everything on it was measured: by the training run (`training.json`) or by letting the
thinker write on validation problems, at temperature 1.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from tts_lab import ladder, problems
from tts_lab.run import run
from tts_lab.strategies.thinking import RIGHT, think, thoughts
from tts_lab.verifiers.exact import Exact

KINDS = (("chains", 5), ("chains", 8), ("countdown", 3), ("countdown", 4))
PROBLEMS, SEED = 128, 1


def thinking(folder: Path, domain: str, level: int) -> dict[str, object]:
    """Accuracy of the first attempt and of the whole; how right the checks are."""
    some = problems.sample(domain, level, PROBLEMS, split="validation", seed=SEED)
    outcomes = run(
        partial(think), some, proposer=ladder.load(folder), verifier=Exact(), seed=SEED
    )
    module = problems.domain(domain)
    first = right = checks = agreed = 0
    for outcome in outcomes:
        every = thoughts(outcome.problem, outcome.value.text)
        truth = [module.check(outcome.problem, one.attempt) for one in every]
        first += bool(truth) and truth[0]
        right += outcome.value.score == 1
        judged = [
            (one.verdict == RIGHT) == is_right
            for one, is_right in zip(every, truth, strict=True)
            if one.verdict is not None
        ]
        checks += len(judged)
        agreed += sum(judged)
    tokens = sum(outcome.value.answer.tokens for outcome in outcomes)
    return {
        "domain": domain,
        "level": level,
        "first": round(first / PROBLEMS, 3),
        "accuracy": round(right / PROBLEMS, 3),
        "checks": round(agreed / max(checks, 1), 3),
        "attempts": round(checks / PROBLEMS, 2),
        "tokens": round(tokens / PROBLEMS, 1),
    }


def write(folder: Path) -> None:
    """Write `README.md` of a thinker from its `training.json` and its traces."""
    record = json.loads((folder / "training.json").read_text())
    record["thinking"] = [thinking(folder, *kind) for kind in KINDS]
    (folder / "training.json").write_text(json.dumps(record, indent=1) + "\n")
    lines = [
        "---",
        "library_name: transformers",
        "tags: [test-time-scaling, thinking, arithmetic, countdown]",
        "---",
        f"# `{record['name']}` of `tts_lab`",
        "",
        f"Rung {record['base']}, tuned by `tts-lab train-thinker {record['name']}` to "
        "check its own attempts and try again (`tts_lab.strategies.thinking` has the "
        "format and budget forcing after s1, 2501.19393).",
        "",
        "| | |",
        "|---|---|",
        f"| parameters | {record['parameters']:,} |",
        f"| trajectories | {record['tokens']:,} tokens |",
        f"| wall time | {record['seconds'] / 60:.0f} min |",
        f"| training loss | {record['loss']:.3f} nats per learned token |",
        f"| seed | {record['seed']} |",
        "",
        f"On {PROBLEMS} validation problems each, one trace, temperature 1, no budget "
        "forcing; `checks` is the share of its checks that tell right from wrong:",
        "",
        "| | first attempt | whole trace | checks | attempts | tokens |",
        "|---|---|---|---|---|---|",
    ]
    for one in record["thinking"]:
        lines.append(
            f"| {one['domain']} level {one['level']} | {one['first']:.3f} | "
            f"{one['accuracy']:.3f} | {one['checks']:.3f} | {one['attempts']:.1f} | "
            f"{one['tokens']:.0f} |"
        )
    (folder / "README.md").write_text("\n".join([*lines, ""]))
