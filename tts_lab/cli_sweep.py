"""The command `tts-lab sweep`: a plan file into Parquet, here or on a Ray cluster."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, Any

from tts_lab.cli_compare import _say, _stoppable

if TYPE_CHECKING:
    from tts_lab.sweeps import Progress


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
    say("--gpus", type=float, default=0, help="of each actor on Ray (default 0)")
    say("--bank", help="a bank on this machine to draw from and to add to")
    command.set_defaults(run=sweep)


def sweep(options: argparse.Namespace) -> int:
    """Run the sweep; 130 when it was stopped."""
    from tts_lab.sweeps import sweep

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
        raise OSError(
            f"{type(error).__name__}: {error}\n{line.done} of {line.units} units are "
            f"in {options.out!r}: the same command with --resume goes on from there"
        ) from error  # the command line shows OSErrors as one message
    _say("")
    cost = swept.cost
    print(
        f"{swept.done} units done, {swept.skipped} were done before, of {swept.units}; "
        f"{cost.samples:,} samples, {cost.tokens:,} tokens, {cost.flops:.3g} FLOPs, "
        f"{swept.seconds:.1f} s"
    )
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
        _say(bar(now))


def bar(now: Progress, width: int = 20) -> str:
    """One line: how far, how long still, and what it has cost.

    >>> from tts_lab.sweeps import Progress
    >>> from tts_lab.sweeps.work import Cost
    >>> bar(Progress(3, 12, Cost(96, 24, 5e9), 30.0, 90.0))
    '[#####...............] 3/12 units, 1:30 left, 96 samples, 24 tokens, 5e+09 FLOPs'
    """
    full = width * now.done // max(now.units, 1)
    left = "time left unknown" if now.eta is None else f"{clock(now.eta)} left"
    if now.done == now.units:
        left = f"in {clock(now.seconds)}"
    return (
        f"[{'#' * full}{'.' * (width - full)}] {now.done}/{now.units} units, {left}, "
        f"{now.cost.samples:,} samples, {now.cost.tokens:,} tokens, "
        f"{now.cost.flops:.3g} FLOPs"
    )


def clock(seconds: float) -> str:
    """Minutes and seconds, or hours before them.

    >>> clock(61.4), clock(7265)
    ('1:01', '2:01:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
