"""How long after Cancel a run ends, for each kind of work that widgets do.

A cancel at a random moment falls into a block (compiled code, a training step, a
transaction) or between two. Measured are the time to the end of that block, the time
from there to the status "cancelled", and how many blocks began after the cancel. The
bar: 100 ms for the second.

    python benchmarks/cancel.py [--times 20] [--only reading,beam] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from tts_lab import ladder, problems
from tts_lab.bank import Bank
from tts_lab.ladder import engine, reader
from tts_lab.run import run
from tts_lab.strategies import (
    beam_search,
    count_correct,
    repeated_sampling,
    think,
)
from tts_lab.strategies.revision import revise
from tts_lab.traces import Trace, Verify
from tts_lab.verifiers import library
from tts_lab.verifiers.exact import Exact
from tts_lab.widgets.allocation_answer import answered
from tts_lab.widgets.allocation_settings import Settings
from tts_lab.widgets.allocation_source import Grid
from tts_lab.widgets.runner import Runner, Task

Work = Callable[[Task], object]
BAR = 0.1  # seconds


class Blocks:
    """When blocks of work began and ended, in any thread."""

    def __init__(self) -> None:
        self.seen: list[list[float]] = []
        self._stack = ExitStack()

    def watch(self, owner: Any, name: str) -> None:
        """Take down each call of a function, until `close`."""
        inner = getattr(owner, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            block = [time.perf_counter(), float("inf")]
            self.seen.append(block)
            try:
                return inner(*args, **kwargs)
            finally:
                block[1] = time.perf_counter()

        setattr(owner, name, watched)
        self._stack.callback(setattr, owner, name, inner)

    def close(self) -> None:
        """Put the functions back."""
        self._stack.close()


@contextmanager
def watching() -> Iterator[Blocks]:
    """All blocks there are."""
    blocks = Blocks()
    for owner, name in ((engine, "advance"), (engine, "prefill"), (reader, "prefill"),
                        (Bank, "put_many"), (Bank, "_load")):  # fmt: skip
        blocks.watch(owner, name)
    if find_spec("torch"):
        from tts_lab.ttt.adapt import Base

        blocks.watch(Base, "_step")
    try:
        yield blocks
    finally:
        blocks.close()


def cases(folder: Path) -> Iterator[tuple[str, Work]]:
    """Name and work of each kind; loaded before anything is timed."""
    some = problems.evaluation_set("countdown", 4, 100)
    few = some[:20]
    policy, exact = ladder.load("105k"), Exact()

    def drive(strategy: Any, given: Any, **options: Any) -> Work:
        options = {"proposer": policy, "seed": 0, "verifier": exact} | options
        return lambda task: run(strategy, given, cancel=task.cancel, **options)

    yield "sampling", drive(partial(count_correct, n=2000), some)
    yield "100,000 traces judged at once", drive(_judged_at_once(), some[:1])
    judge, prm = library.load("likelihood-380k"), library.load("prm-a")
    written = [
        [trace for trace, _ in one.value]
        for one in run(
            partial(repeated_sampling, n=64), some[:50], proposer=policy,
            verifier=exact, seed=0,
        )
    ]  # fmt: skip
    yield "reading, likelihood", drive(_reading(written), some[:50], verifier=judge)
    yield "reading, PRM", drive(_reading(written), some[:50], verifier=prm)
    yield (
        "best of 64 on 200 problems",
        drive(
            partial(repeated_sampling, n=64), problems.evaluation_set("chains", 3, 200)
        ),
    )
    yield (
        "beam search",
        drive(partial(beam_search, n=64, width=4), some[:50], verifier=judge),
    )
    yield "revisions", drive(
        partial(revise, n=32, chains=4), problems.evaluation_set("chains", 5, 50),
        proposer=ladder.load("reviser-380k"), verifier=judge,
    )  # fmt: skip
    yield (
        "thinking",
        drive(
            partial(think, most=200, waits=4), few, proposer=ladder.load("thinker-380k")
        ),
    )
    bank = Bank(folder / "new.db")
    yield "bank, writing", _fresh(
        bank, lambda seed: drive(
            partial(count_correct, n=1000), some, bank=bank, seed=seed)
    )  # fmt: skip
    kept = Bank(folder / "kept.db")
    run(partial(count_correct, n=500), some, proposer=policy, verifier=exact, seed=0,
        bank=kept)  # fmt: skip
    yield "bank, reading", drive(partial(count_correct, n=500), some, bank=kept)
    grid = Grid()
    yield "allocation", partial(_allocate, grid)
    if find_spec("torch"):
        from tts_lab.ttt.frames import Plan
        from tts_lab.ttt.watch import base, watch

        adapted = base()
        plan = Plan("rotate", epochs=1)
        yield (
            "test-time training",
            lambda task: list(watch(adapted, plan, cancel=task.cancel)),
        )
    bank.close()
    kept.close()


def _judged_at_once() -> Any:
    def strategy(problem: Any) -> Any:
        text = problems.domain(problem.domain).solution(problem.prompt)
        yield Verify([Trace(problem, text, len(text), True)] * 100_000)

    return strategy


def _reading(written: list[list[Trace]]) -> Any:
    each = {one[0].problem.id: one for one in written}

    def strategy(problem: Any) -> Any:
        return (yield Verify(each[problem.id]))

    return strategy


def _fresh(bank: Bank, make: Callable[[int], Work]) -> Work:
    """Other samples each time, so that they are written and not found."""
    seeds = iter(range(1, 10**6))
    return lambda task: make(next(seeds))(task)


def _allocate(grid: Grid, task: Task) -> object:
    there = grid.offer("search", "chains")
    settings = Settings("search", "chains", "flops", "quantiles", 5,
                        there.samples[-1], False, there.verifiers[:1], True)  # fmt: skip
    study = grid.study(settings)
    return answered(settings, study, cancel=task.cancel)


def measured(work: Work, times: int, rng: random.Random) -> dict[str, Any]:
    """Cancel it at random moments of its first seconds."""
    runner = Runner()
    runner.start(work)
    began = time.perf_counter()
    while runner.status.active and time.perf_counter() - began < 10:
        time.sleep(0.01)
    length = time.perf_counter() - began
    runner.cancel()
    runner.wait()
    if runner.status.phase == "failed":
        raise RuntimeError(runner.status.message) from runner.status.error
    in_block, after, begun, late = [], [], [], 0
    for _ in range(times):
        ended = threading.Event()
        at: list[float] = []

        def note(status: Any, at: list[float] = at, ended: Any = ended) -> None:
            if not status.active:
                at.append(time.perf_counter())
                ended.set()

        with watching() as blocks:
            runner.start(work, note)
            ended.wait(rng.uniform(0.05, 0.95) * length)
            cancelled = time.perf_counter()
            runner.cancel()
            runner.wait()
        if runner.status.phase != "cancelled":
            late += 1  # it had ended
            continue
        open_ = [end for start, end in blocks.seen if start <= cancelled < end]
        new = [end for start, end in blocks.seen if start > cancelled]
        last = max([cancelled, *open_, *new])
        in_block.append(last - cancelled)
        after.append(at[0] - last)
        begun.append(len(new))
    return {
        "whole, s": round(length, 2),
        "cancelled": len(after),
        "to the block's end, ms": spread(in_block),
        "then to the end, ms": spread(after),
        "blocks begun after": max(begun, default=0),
        "ended before": late,
    }


def spread(seconds: list[float]) -> list[float]:
    """Median, 95th percentile and most, in milliseconds."""
    if not seconds:
        return []
    ms = np.array(seconds) * 1000
    return [round(float(v), 1) for v in (*np.quantile(ms, [0.5, 0.95]), ms.max())]


def main() -> int:
    """Print a line for each kind; 1 where one is over the bar."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--only", default="")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    only = [one for one in args.only.split(",") if one]
    found: dict[str, Any] = {}
    print("times are: median, 95%, most")
    with tempfile.TemporaryDirectory() as folder:
        for name, work in cases(Path(folder)):
            if only and not any(one in name for one in only):
                continue
            one = found[name] = measured(work, args.times, random.Random(name))
            print(f"{name:34} {one}", flush=True)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")
    key = "then to the end, ms"
    over = [n for n, one in found.items() if one[key] and one[key][1] > BAR * 1000]
    if over:
        print(f"over {BAR * 1000:.0f} ms: {', '.join(over)}")
    return bool(over)


if __name__ == "__main__":
    sys.exit(main())
