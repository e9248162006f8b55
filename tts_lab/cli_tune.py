"""`tts-lab train-reviser`, `train-thinker`, `measure-thinking`: rungs tuned further.

The other training commands use its options and its progress line.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tts_lab.ladder.train import Progress


def add(commands: Any) -> None:
    """Add the commands to those of `tts-lab`."""
    for name, words, run in (
        ("train-reviser", "tune rungs to revise (needs torch)", _train_reviser),
        ("train-thinker", "tune rungs to think longer (needs torch)", _train_thinker),
        (
            "train-improved",
            "a round of self-improvement (needs torch)",
            _train_improved,
        ),
    ):
        command = commands.add_parser(name, help=words)
        command.add_argument("names", nargs="*", help="recipes; default: all")
        add_training(command)
        command.set_defaults(run=run)
    measure = commands.add_parser(
        "measure-thinking", help="recompute the shipped long traces (20 minutes)"
    )
    measure.add_argument("--out", type=Path, help="default: the package's own folder")
    measure.set_defaults(run=_measure_thinking)
    ablation = commands.add_parser(
        "measure-adaptation",
        help="recompute the shipped ablation of test-time training",
    )
    ablation.add_argument("--out", type=Path, help="default: the package's own file")
    ablation.add_argument("--threads", type=int, help="torch's threads")
    ablation.set_defaults(run=_measure_adaptation)
    counts = commands.add_parser(
        "measure-improved", help="recompute the shipped counts of self-improvement"
    )
    counts.add_argument("--folder", type=Path, default=Path("runs"), help="trained")
    counts.add_argument("--out", type=Path, help="default: the package's own file")
    counts.set_defaults(run=_measure_improved)


def add_training(command: argparse.ArgumentParser) -> None:
    """The options that all training has."""
    command.add_argument("--folder", type=Path, default=Path("runs"))
    command.add_argument("--device", default="cpu", help="cpu, cuda or mps")
    command.add_argument("--threads", type=int, help="torch's threads")
    command.add_argument(
        "--install", action="store_true", help="copy the checkpoints into the package"
    )


def needs_torch(threads: int | None) -> None:
    """An error that says how to install it; else so many threads for it."""
    try:
        import torch
    except ImportError:
        raise ImportError(
            'training needs torch: pip install "tts-lab[train]"'
        ) from None
    if threads:
        torch.set_num_threads(threads)


def line(name: str, progress: Progress, last: int) -> None:
    """Print where a run is, in place of what stood there."""
    speed = progress.tokens / max(progress.seconds, 1e-9)
    print(
        f"\r{name}: {progress.tokens / last:4.0%} of {last:,} tokens, "
        f"loss {progress.loss:.3f}, {speed:,.0f} tokens/s ",
        end="",
        flush=True,
    )


def _train_reviser(options: argparse.Namespace) -> None:
    needs_torch(options.threads)
    from tts_lab.ladder.rungs import REVISERS
    from tts_lab.revise.train import recipe, train

    for name in options.names or REVISERS:
        chosen = recipe(name)
        _tune(options, name, chosen, chosen.drawn, chosen.tokens, train,
              options.install)  # fmt: skip


def _train_thinker(options: argparse.Namespace) -> None:
    needs_torch(options.threads)
    from tts_lab.ladder.rungs import THINKERS
    from tts_lab.think.train import recipe, train

    for name in options.names or THINKERS:
        chosen = recipe(name)
        _tune(options, name, chosen, chosen.tokens, chosen.tokens, train,
              options.install)  # fmt: skip


def _train_improved(options: argparse.Namespace) -> None:
    needs_torch(options.threads)
    from tts_lab.improve import NAME, RECIPES, recipe, train

    for name in options.names or RECIPES:
        chosen = recipe(name)
        install = options.install and name == NAME  # the control is not shipped
        _tune(options, name, chosen, chosen.tokens, chosen.tokens, train, install)


def _measure_adaptation(options: argparse.Namespace) -> None:
    needs_torch(options.threads)
    from tts_lab.ttt.measured import SHIPPED, measure

    measure(options.out or SHIPPED, say=print)


def _measure_improved(options: argparse.Namespace) -> None:
    from tts_lab.improve import SHIPPED, measure

    measure(options.folder, options.out or SHIPPED, say=print)


def _tune(
    options: argparse.Namespace, name: str, recipe: Any, drawn: int, tokens: int,
    train: Callable[..., Path], install: bool,
) -> None:  # fmt: skip
    from tts_lab import ladder

    def on_data(there: int) -> None:
        print(f"\r{name}: trajectories {there / drawn:4.0%} ", end="", flush=True)

    def on_progress(progress: Progress) -> None:
        if progress.batches % 20 == 0:
            line(name, progress, tokens)

    made = train(
        recipe, options.folder, device=options.device, on_data=on_data,
        on_progress=on_progress,
    )  # fmt: skip
    if install:
        made = shutil.copytree(made, ladder.path(name), dirs_exist_ok=True)
    print(f"\n{made}")


def _measure_thinking(options: argparse.Namespace) -> None:
    from tts_lab.think.measured import FOLDER, measure_all

    measure_all(options.out or FOLDER, say=print)
