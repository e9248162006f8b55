"""Units of a sweep on this machine: in this process, or in several.

Promises: results come as they are ready, in any order; once `cancel` is set, or this
process dies in whatever way, every worker is gone within a second and leaves no half
file. Not covered: several models on one GPU; one worker is the default there.
"""

from __future__ import annotations

import multiprocessing as mp
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from threading import Event as Flag
from threading import Thread
from typing import Any, NamedTuple

from tts_lab.models import plan as plan_of
from tts_lab.sweeps.plan import Plan
from tts_lab.sweeps.store import Store, SweepError
from tts_lab.sweeps.units import Unit
from tts_lab.sweeps.work import Cost, Made, Worker

_POLL = 0.1  # seconds between looks at `cancel`


class Report(NamedTuple):
    """A unit that is done and stored."""

    unit: str
    weight: int
    cost: Cost
    seconds: float


@dataclass(frozen=True)
class Task:
    """What every worker of a sweep is told."""

    out: str
    plan_hash: str
    fingerprints: dict[str, str]
    bank: str | None = None

    def worker(self) -> Worker:
        """One that has opened nothing yet."""
        return Worker(self.plan_hash, self.fingerprints, self.bank)


def report(unit: Unit, made: Made) -> Report:
    """What the driver is told of a unit."""
    return Report(unit.id, unit.weight, made.cost, made.seconds)


def suggested(plan: Plan, units: int) -> int:
    """Workers: a core each where all models are small ones of the package, else one.

    Other backends use all cores or the GPU in one process.
    """
    from tts_lab.ladder.cores import cores

    ways = [plan_of(one.spec, backend=one.backend) for one in plan.policies]
    ways += [plan_of(one.spec, "verifier", backend=one.backend)
             for one in plan.verifiers]  # fmt: skip
    here = all(way.backend in ("engine", "server") for way in ways)
    return max(1, min(cores(), units)) if here else 1


def serial(units: Sequence[Unit], task: Task, cancel: Flag) -> Iterator[Report]:
    """One after the other in this process."""
    worker, store = task.worker(), Store(task.out)
    try:
        for unit in units:
            if cancel.is_set():
                return
            made = worker.do(unit, cancel)
            if made is None:
                return
            store.put(unit, made, task.plan_hash)
            yield report(unit, made)
    finally:
        worker.close()


def parallel(
    units: Sequence[Unit], task: Task, cancel: Flag, *, workers: int
) -> Iterator[Report]:
    """In so many processes, each with its own models and one thread for the engine.

    Raises
    ------
    SweepError
        If a worker process dies.
    """
    context = mp.get_context("spawn")  # threads and CUDA do not survive a fork
    theirs, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_begin, initargs=(theirs, task)
    )
    store, waiting = Store(task.out), iter(units)
    running: dict[Future[Any], Unit] = {}
    try:
        while not cancel.is_set():
            while len(running) < 2 * workers and (unit := next(waiting, None)):
                running[pool.submit(_do, unit)] = unit
            if not running:
                return
            ready, _ = wait(running, timeout=_POLL, return_when=FIRST_COMPLETED)
            for future in ready:
                unit = running.pop(future)
                told = future.result()
                if isinstance(told, Made):  # the worker could not write there
                    store.put(unit, told, task.plan_hash)
                    told = report(unit, told)
                yield told
    except BrokenProcessPool as error:
        raise SweepError(
            "a worker process died; if memory ran out, use fewer workers or a smaller "
            "chunk"
        ) from error
    finally:
        ours.close()  # the end of file that stops the workers
        pool.shutdown(wait=True, cancel_futures=True)
        theirs.close()


_worker: Worker
_store: Store


def _begin(stop: Connection, task: Task) -> None:
    """In a worker process, first."""
    global _worker, _store
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the driver
    Thread(target=_end_with, args=(stop,), daemon=True).start()
    os.environ["CPU_LIMIT"] = "1"  # the engine's threads: as many processes are there
    _worker, _store = task.worker(), Store(task.out)


def _end_with(stop: Connection) -> None:
    """End this process, whatever it does, once the driver has closed or died."""
    with suppress(EOFError, OSError):
        stop.recv()
    os._exit(1)


def _do(unit: Unit) -> Report | Made:
    made = _worker.do(unit)
    assert made is not None  # nobody cancels here
    if _store.is_private:
        return made
    _store.put(unit, made, _worker.plan_hash)
    return report(unit, made)
