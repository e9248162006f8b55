"""The command `tts-lab`: doctor, app, sample, train, measure, compare and others.

Every command ends with status 0, or with one line on standard error that quotes what
was wrong and says what is accepted, and status 2. `doctor` ends with 1 if it found
trouble.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tts_lab import (
    __version__,
    cli_app,
    cli_compare,
    cli_import,
    cli_progress,
    cli_sweep,
    cli_tune,
)
from tts_lab.cli_tune import add_training, line, needs_torch
from tts_lab.printable import printable

if TYPE_CHECKING:
    from tts_lab.ladder.train import Progress


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 0
    try:
        return int(options.run(options) or 0)
    except (ValueError, OSError, ImportError) as error:
        print(printable(f"tts-lab {options.command}: {error}"), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; what was finished is kept", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tts-lab", description="Test-time scaling of language models, measured."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="command")

    doctor = commands.add_parser("doctor", help="what this machine has and lacks")
    doctor.set_defaults(run=_doctor)

    cli_app.add(commands)

    warmup = commands.add_parser("warmup", help="compile the engine, once")
    warmup.set_defaults(run=_warmup)

    sample = commands.add_parser("sample", help="write traces and check them")
    sample.add_argument("rung", help="a rung of the ladder, or a model folder")
    sample.add_argument("--domain", default="chains")
    sample.add_argument("--level", type=int, default=3)
    sample.add_argument("--problem", help="a prompt of your own, such as 47+38*6")
    sample.add_argument("-n", type=int, default=8, help="samples (default 8)")
    sample.add_argument("--temperature", type=float, default=1.0)
    sample.add_argument("--seed", type=int, default=0)
    sample.set_defaults(run=_sample)

    train = commands.add_parser("train", help="train rungs (needs torch); resumable")
    train.add_argument("rungs", nargs="*", help="default: all")
    add_training(train)
    train.set_defaults(run=_train)

    measure = commands.add_parser("measure", help="recompute the shipped coverage")
    measure.add_argument("rungs", nargs="*", help="default: all")
    measure.add_argument("--out", type=Path, help="default: the package's own file")
    measure.set_defaults(run=_measure)

    verifier = commands.add_parser(
        "train-verifier", help="train PRMs and the ORM; a minute or two each"
    )
    verifier.add_argument("names", nargs="*", help="recipes; default: all")
    verifier.add_argument("--trunk", help="another rung to grow on")
    verifier.add_argument("--policy", help="another rung that writes the traces")
    verifier.add_argument("--problems", type=int, help="training problems")
    verifier.add_argument("--folder", type=Path, default=Path("runs"))
    verifier.add_argument(
        "--install", action="store_true", help="put the heads into the package"
    )
    verifier.set_defaults(run=_train_verifier)

    table = commands.add_parser(
        "measure-verifiers", help="recompute the shipped table and card of verifiers"
    )
    table.add_argument("--out", type=Path, help="default: the package's own file")
    table.set_defaults(run=_measure_verifiers)

    searches = commands.add_parser(
        "measure-searches", help="recompute the shipped searches (about 40 minutes)"
    )
    searches.add_argument("--out", type=Path, help="default: the package's own file")
    searches.set_defaults(run=_measure_searches)

    grid = commands.add_parser(
        "measure-grid", help="recompute the shipped grid of runs (hours)"
    )
    grid.add_argument("--out", type=Path, help="default: the package's own folder")
    grid.set_defaults(run=_measure_grid)

    cli_tune.add(commands)
    cli_compare.add(commands)
    cli_sweep.add(commands)

    board = commands.add_parser("scoreboard", help="all claims and their verdicts")
    board.add_argument(
        "--shipped", action="store_true", help="leave out what was measured here"
    )
    board.add_argument("--out", type=Path, help="write Markdown to this file")
    board.set_defaults(run=_scoreboard)

    cli_progress.add(commands)
    cli_import.add(commands)
    return parser


def _doctor(options: argparse.Namespace) -> int:
    from tts_lab.doctor import examine, report

    findings = examine()
    print(printable(report(findings)))
    return int(any(finding.trouble for finding in findings))


def _warmup(options: argparse.Namespace) -> None:
    from tts_lab.ladder.compiled import ensure, folder, is_cached

    began, known = time.perf_counter(), is_cached()
    ensure(sys.stdout.write)
    what = "loaded" if known else "compiled"
    print(f"engine {what} in {time.perf_counter() - began:.1f} s ({folder().name})")


def _sample(options: argparse.Namespace) -> None:
    from functools import partial

    from tts_lab import ladder, problems
    from tts_lab.run import run
    from tts_lab.strategies import repeated_sampling
    from tts_lab.traces import Problem
    from tts_lab.verifiers.exact import Exact

    module = problems.domain(options.domain)
    if options.problem is None:
        problem = problems.sample(options.domain, options.level, 1, seed=options.seed)[
            0
        ]
    elif options.domain == problems.grids.NAME:
        problem = problems.grids.problem(options.problem)
    else:
        module.parse(options.problem)
        problem = Problem(options.domain, options.problem.strip() + "\n")
    proposer = ladder.load(options.rung)
    [outcome] = run(
        partial(repeated_sampling, n=options.n, temperature=options.temperature),
        [problem],
        proposer=proposer,
        verifier=Exact(),
        seed=options.seed,
    )
    for trace, _score in outcome.value:
        print(printable(module.render(problem, trace.text)), end="\n\n")
    right = sum(score == 1 for _, score in outcome.value)
    spent = outcome.ledger
    print(
        f"{right} of {options.n} right · {spent.generated_tokens} tokens · "
        f"{spent.flops_brown(proposer.size):.2g} FLOPs · {spent.seconds:.2f} s"
    )


def _train(options: argparse.Namespace) -> None:
    needs_torch(options.threads)
    from tts_lab import ladder
    from tts_lab.ladder.rungs import RUNGS, SPECIALISTS, rung
    from tts_lab.ladder.train import train

    for shape in [rung(name) for name in options.rungs or RUNGS | SPECIALISTS]:
        last = shape.checkpoints[-1]

        def show(progress: Progress, name: str = shape.name, last: int = last) -> None:
            if progress.batches % 20 == 0:
                line(name, progress, last)

        made = train(shape, options.folder, device=options.device, on_progress=show)
        for tokens, path in zip(shape.checkpoints, made, strict=True):
            if options.install:
                target = ladder.path(shape.name, tokens)
                shutil.copytree(path, target, dirs_exist_ok=True)
                path = target
            print(f"\n{path}")


def _measure(options: argparse.Namespace) -> None:
    from tts_lab.measured import SHIPPED, measure

    measure(options.rungs, options.out or SHIPPED, say=print)


def _train_verifier(options: argparse.Namespace) -> None:
    from dataclasses import replace

    from tts_lab.prm import train
    from tts_lab.prm.recipes import RECIPES, recipe

    asked = {key: getattr(options, key) for key in ("trunk", "policy", "problems")}
    changes = {key: value for key, value in asked.items() if value is not None}
    if options.install and changes:
        raise ValueError(f"--install takes recipes as they are, not with {changes}")
    recipes = [recipe(name) for name in options.names or RECIPES]
    targets = [options.folder / f"verifier-{one.name}" for one in recipes]
    taken = [] if options.install else [path for path in targets if path.exists()]
    if taken:
        raise ValueError(f"{str(taken[0])!r} is there already; name another --folder")
    shown = 0.0

    def show(what: str, done: int) -> None:
        nonlocal shown
        if sys.stdout.isatty() and time.monotonic() - shown > 0.2:
            print(f"\r{what} {done:,} ", end="", flush=True)
            shown = time.monotonic()

    for one, target in zip(recipes, targets, strict=True):
        print(f"{one.name}: {one.title}")
        trained = train.train(replace(one, **changes), show)
        if options.install:
            target = train.HEADS / f"{one.name}.json"
            train.store(trained, target)
        else:
            train.export(train.whole(trained), target)
        start = "\r" if sys.stdout.isatty() else ""
        print(
            f"{start}{trained.traces:,} traces, {trained.steps:,} steps, labels "
            f"{trained.label_accuracy:.1%} right, loss {trained.loss:.3f}, "
            f"{trained.flops:.2g} FLOPs, {trained.seconds:.0f} s\n{target}"
        )


def _measure_verifiers(options: argparse.Namespace) -> None:
    from tts_lab.prm import card
    from tts_lab.prm.report import SHIPPED, measure_all

    rows = measure_all(options.out or SHIPPED, say=print)
    if options.out is None:
        card.write(rows)


def _measure_searches(options: argparse.Namespace) -> None:
    from tts_lab.searches import SHIPPED, measure

    measure(options.out or SHIPPED, say=print)


def _measure_grid(options: argparse.Namespace) -> None:
    from tts_lab.grid.recipe import measure
    from tts_lab.grid.store import FOLDER

    measure(options.out or FOLDER, say=print)


def _scoreboard(options: argparse.Namespace) -> None:
    from tts_lab import scoreboard

    verdicts = scoreboard.shipped()
    own = {} if options.shipped else scoreboard.recorded()
    verdicts |= own
    if options.out is None:
        for verdict in verdicts.values():
            print(printable(verdict), end="\n\n")
        print(f"{len(verdicts)} verdicts, {len(own)} of them measured on this machine")
    else:
        options.out.write_text(scoreboard.page(verdicts))
        print(options.out)


if __name__ == "__main__":
    sys.exit(main())
