"""The command `tts-lab sweep`: a plan file into Parquet, here or on a Ray cluster."""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tts_lab.cli_compare import _say, _stoppable

if TYPE_CHECKING:
    from tts_lab.sweeps import Progress
    from tts_lab.sweeps.work import Cost


def add(commands: Any) -> None:
    """Add the command to the parser's subcommands."""
    command = commands.add_parser(
        "sweep", help="a grid of policies, strategies, budgets and seeds into Parquet"
    )
    say = command.add_argument
    say("plan", metavar="PLAN", help="a TOML file; see docs/sweeps.md")
    say("--out", required=True, help="a new folder, or any URL that fsspec opens")
    say("--resume", action="store_true", help="go on with the sweep in --out")
    say("--workers", type=int, help="processes, or actors on Ray; default: what fits")
    say("--ray", metavar="ADDRESS", help="'auto', or the address of a Ray cluster")
    say("--gpus", type=float, help="of each actor on Ray; default: 1 for models of "
        "transformers or vLLM where there are GPUs, else 0")  # fmt: skip
    say("--bank", help="a bank on this machine to draw from and to add to")
    command.set_defaults(run=sweep)


def sweep(options: argparse.Namespace) -> int:
    """Run the sweep; 130 when it was stopped."""
    from tts_lab.models import hidden
    from tts_lab.sweeps import UnitsFailed, sweep

    line = _Line()
    try:
        with _stoppable() as cancel:
            swept = sweep(
                options.plan, options.out, resume=options.resume,
                workers=options.workers, ray=options.ray, gpus=options.gpus,
                bank=options.bank, on_progress=line, cancel=cancel,
            )  # fmt: skip
    except Exception as error:
        if not line.units:  # nothing had begun
            raise
        _say("")
        words = "" if isinstance(error, UnitsFailed) else f"{type(error).__name__}: "
        raise OSError(
            f"{words}{error}\n{line.done} of {line.units} units are in "
            f"{hidden(options.out)!r}: the same command with --resume does the others"
        ) from error  # the command line shows OSErrors as one message
    _say("")
    print(
        f"{swept.done} units done, {swept.skipped} were done before, of {swept.units}; "
        f"{spent(swept.cost)}, {swept.seconds:.1f} s"
    )
    if swept.skipped:
        print(f"with those of before: {spent(swept.whole)}")
    print(swept.out)
    if swept.complete:
        return 0
    print("stopped; the same command with --resume goes on", file=sys.stderr)
    return 130


class _Line:
    """A bar on standard error; in a log, a line every half minute."""

    def __init__(self) -> None:
        self.done = self.units = 0
        self.shown = -60.0

    def __call__(self, now: Progress) -> None:
        self.done, self.units = now.done, now.units
        pause = 0.2 if sys.stderr.isatty() else 30.0
        if now.done < now.units and time.monotonic() - self.shown < pause:
            return
        self.shown = time.monotonic()
        text = bar(now)
        if sys.stderr.isatty():  # a line that wraps cannot be written over
            with suppress(OSError):
                columns = os.get_terminal_size(sys.stderr.fileno()).columns
                text = fitted(text, columns - 1) if columns else text
        _say(text)


def bar(now: Progress, width: int = 20) -> str:
    """One line: how far, how long still, and what it has cost.

    >>> from tts_lab.sweeps import Progress
    >>> from tts_lab.sweeps.work import Cost
    >>> bar(Progress(3, 12, 1, Cost(96, 24, 5e9), 30.0, 90.0), width=4)
    '[#...] 3/12 units, 1 failed, 1:30 left, 96 samples, 24 tokens, 5e+09 FLOPs'
    """
    full = width * now.done // max(now.units, 1)
    failed = f"{now.failed} failed, " if now.failed else ""
    left = "time left unknown" if now.eta is None else f"{clock(now.eta)} left"
    if now.done == now.units:
        left = f"in {clock(now.seconds)}"
    return (
        f"[{'#' * full}{'.' * (width - full)}] {now.done}/{now.units} units, {failed}"
        f"{left}, {spent(now.cost)}"
    )


def fitted(text: str, columns: int) -> str:
    """A line for a terminal so wide: without its bar, then cut, where it is too long.

    >>> fitted("[##..] 3/12 units, 1:30 left", 24), fitted("[##..] 3/12 units", 8)
    ('3/12 units, 1:30 left', '3/12 uni')
    """
    return text if len(text) <= columns else text.partition("] ")[2][:columns]


def spent(cost: Cost) -> str:
    """A cost in words."""
    return f"{cost.samples:,} samples, {cost.tokens:,} tokens, {cost.flops:.3g} FLOPs"


def clock(seconds: float) -> str:
    """Minutes and seconds, or hours before them.

    >>> clock(61.4), clock(7265)
    ('1:01', '2:01:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
