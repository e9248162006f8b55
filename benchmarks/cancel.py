"""How long after Cancel a run ends, for each kind of work that widgets do.

A cancel at a random moment falls into a block (compiled code, a training step, a
transaction) or between two. Measured are the time to the end of that block, the time
from there to the status "cancelled", what it then takes until the last picture is
drawn, and how many blocks began after the cancel. The bar: 100 ms for the second.

    python benchmarks/cancel.py [--times 20] [--only reading,beam] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.util import find_spec
from itertools import chain
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
from tts_lab.widgets import (
    Adaptation,
    AllocationExplorer,
    CoverageExplorer,
    StrategyLab,
    StrategyRace,
    ThinkingExplorer,
)
from tts_lab.widgets.runner import Runner, Status, Task

Work = Callable[[Task], object]
BAR = 0.1  # seconds
LONGEST = 3.0  # seconds of a run in which it is cancelled
AFTER = "then to the end, ms"


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


def widgets() -> Iterator[tuple[str, Any]]:
    """Widgets with much to draw."""
    yield "coverage explorer", CoverageExplorer(n_problems=200, samples=10_000)
    yield "strategy lab", StrategyLab(level=4, n=256, width=16)
    yield "strategy race", StrategyRace(n_problems=200, n=(64, 256))
    yield "thinking explorer", ThinkingExplorer(limit=512, waits="all")
    if find_spec("torch"):
        yield "adaptation", Adaptation()
    yield "allocation explorer", _Moved(AllocationExplorer())


class _Moved:
    """The allocation explorer, whose run is another setting."""

    def __init__(self, widget: AllocationExplorer) -> None:
        self._widget, self._turn = widget, 0
        self.cancel, self.wait = widget.cancel, widget.wait

    def run(self) -> None:
        self._turn += 1  # never one that is known
        self._widget._answers.clear()
        self._widget.controls.bins.value = (2, 3, 4, 5, 6, 8, 10)[self._turn % 7]

    @property
    def status(self) -> Status:
        return self._widget.status


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


class Plain:
    """A runner with one piece of work, to be used as a widget is."""

    def __init__(self, work: Work) -> None:
        self._runner, self._work = Runner(), work
        self.cancel, self.wait = self._runner.cancel, self._runner.wait

    def run(self) -> None:
        self._runner.start(self._work)

    @property
    def status(self) -> Status:
        return self._runner.status


def measured(one: Any, times: int, rng: random.Random) -> dict[str, Any]:
    """Cancel it at random moments of its first seconds."""
    one.run()
    began = time.perf_counter()
    while one.status.active and time.perf_counter() - began < LONGEST:
        time.sleep(0.01)
    length = time.perf_counter() - began
    one.cancel()
    one.wait()
    if one.status.phase == "failed":
        raise RuntimeError(one.status.message) from one.status.error
    in_block, after, drawn, begun = [], [], [], []
    for _ in range(times):
        with watching() as blocks:
            one.run()
            time.sleep(rng.uniform(0.05, 0.9) * length)
            cancelled = time.perf_counter()
            one.cancel()
            while one.status.active:
                time.sleep(0.0005)
            ended = time.perf_counter()
            one.wait()
            shown = time.perf_counter()
        if one.status.phase != "cancelled":
            continue  # it was done before
        open_ = [end for start, end in blocks.seen if start <= cancelled < end]
        new = [end for start, end in blocks.seen if start > cancelled]
        last = max([cancelled, *open_, *new])
        in_block.append(last - cancelled)
        after.append(ended - last)
        drawn.append(shown - ended)
        begun.append(len(new))
    return {
        "run, s": round(length, 2),
        "cancelled": len(after),
        "to the block's end, ms": spread(in_block),
        AFTER: spread(after),
        "then the last picture, ms": spread(drawn),
        "blocks begun after": max(begun, default=0),
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
        every = ((name, Plain(work)) for name, work in cases(Path(folder)))
        for name, some in chain(every, widgets()):
            if only and not any(one in name for one in only):
                continue
            one = found[name] = measured(some, args.times, random.Random(name))
            print(f"{name:34} {one}", flush=True)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")
    over = [n for n, one in found.items() if one[AFTER][1:] > [BAR * 1000]]
    if over:
        print(f"over {BAR * 1000:.0f} ms: {', '.join(over)}")
    return bool(over)


if __name__ == "__main__":
    sys.exit(main())
