"""`tts-lab import`: a published run into a bank."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

_USE = """in Python:
    from tts_lab import importers
    from tts_lab.bank import Bank
    from tts_lab.proposers.recorded import Recorded
    run = importers.read({path!r}, {format!r})
    proposer, bank = Recorded(run), Bank({bank!r})"""


def add(commands: Any) -> None:
    """Add the command to those of `tts-lab`."""
    command = commands.add_parser(
        "import", help="put somebody else's samples, or a sweep's, into a bank"
    )
    command.add_argument("path", metavar="FILE", help="a file, or a folder of records")
    command.add_argument(
        "--format", required=True,
        help="search-and-learn, compute-optimal-tts, monkey-business or sweep",
    )  # fmt: skip
    command.add_argument("--bank", type=Path, required=True, help="made if missing")
    command.add_argument("--problems", type=int, help="only the first so many")
    command.add_argument("--samples", type=int, help="only so many of each problem")
    command.add_argument("--seed", type=int, default=0, help="of the runs to come")
    command.set_defaults(run=_import)


def _import(options: argparse.Namespace) -> None:
    from tts_lab import importers
    from tts_lab.bank import Bank

    if options.format == "sweep":
        _merge(options)
        return
    run = importers.read(
        options.path, options.format, n=options.problems, samples=options.samples
    )
    with Bank(options.bank) as bank:
        rows = importers.into_bank(run, bank, seed=options.seed)
    tokens = sum(map(sum, run.tokens))
    kind = "tokens" if run.tokens_recorded else "tokens (estimated)"
    known = ["scores"] * (run.scores is not None)
    if run.correct is not None:
        right = sum(map(sum, run.correct))
        known.append(f"{right:,} right")
    extra = f"; recorded: {', '.join(known)}" if known else ""
    print(f"{len(run.problems):,} problems, {rows:,} samples, {tokens:,} {kind}{extra}")
    print(options.bank)
    print(_USE.format(path=options.path, format=options.format, bank=str(options.bank)))


def _merge(options: argparse.Namespace) -> None:
    from tts_lab.bank import Bank
    from tts_lab.sweeps.merge import into_bank

    for name in ("problems", "samples"):
        if (value := getattr(options, name)) is not None:
            raise ValueError(
                f"--{name} {value!r} is not for --format sweep, which is taken whole"
            )
    with Bank(options.bank) as bank:
        found = into_bank(options.path, bank)
    print(f"{found.files:,} files, {found.rows:,} samples, {found.new:,} new")
    print(options.bank)
