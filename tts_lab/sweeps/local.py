"""Units of a sweep on this machine: in this process, or in several.

Promises: results come as they are ready, in any order; a worker process that dies
takes no other unit with it; once `cancel` is set, or this process dies in whatever way,
every worker is gone within a second and leaves no half file. Not covered: several
models on one GPU; one worker is the default there.
"""

from __future__ import annotations

import multiprocessing as mp
import os
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from threading import Event as Flag
from threading import Thread
from typing import Any

from tts_lab.models import plan as plan_of
from tts_lab.sweeps.plan import Plan
from tts_lab.sweeps.store import Store
from tts_lab.sweeps.tasks import Failed, Report, Task, attempt, report
from tts_lab.sweeps.units import Unit
from tts_lab.sweeps.work import Made, Worker

Told = tuple[Unit, Report | Failed]

_POLL = 0.1  # seconds between looks at `cancel`
_DIED = (
    "its worker process died; if memory ran out, use fewer workers, a smaller chunk or "
    "a smaller budget; in a script, call sweep under if __name__ == '__main__'"
)


def light(plan: Plan) -> bool:
    """Whether all models are small ones of the package, or endpoints.

    Other backends use all cores or the GPU in one process.

    Raises
    ------
    ValueError
        For a model that is nothing that can be opened here.
    ImportError
        For a backend that is not installed here.
    """
    ways = [plan_of(one.spec, backend=one.backend) for one in plan.policies]
    ways += [plan_of(one.spec, "verifier", backend=one.backend)
             for one in plan.verifiers]  # fmt: skip
    return all(way.backend in ("engine", "server") for way in ways)


def suggested(light: bool) -> int:
    """Workers: a core each for light models, else one."""
    from tts_lab.ladder.cores import cores

    return cores() if light else 1


def serial(units: Iterable[Unit], task: Task, cancel: Flag) -> Iterator[Told]:
    """One after the other in this process."""
    worker, store = task.worker(), Store(task.out)
    try:
        for unit in units:
            if cancel.is_set():
                return
            made = attempt(worker, unit, cancel)
            if made is None:
                return
            if isinstance(made, Failed):
                yield unit, made
                continue
            store.put(unit, made, task.plan_hash)
            yield unit, report(unit, made)
    finally:
        worker.close()


def parallel(
    units: Iterable[Unit], task: Task, cancel: Flag, *, workers: int
) -> Iterator[Told]:
    """In so many processes, each with its own models and one thread for the engine.

    When a worker process dies, what was being done is done again, one unit at a time:
    one whose process dies again has failed.
    """
    waiting = iter(units)
    suspects: deque[Unit] = deque()
    while not cancel.is_set():
        crew = _Crew(task, cancel)
        try:
            with _pool(workers, task) as pool:
                while suspects and not cancel.is_set():
                    yield from crew.work(pool, iter([suspects[0]]), 1)
                    suspects.popleft()
                yield from crew.work(pool, waiting, 2 * workers)
            return
        except BrokenProcessPool:
            if suspects:
                unit = suspects.popleft()
                yield unit, Failed.of(unit, _DIED)
            else:
                suspects.extend(crew.running.values())


class _Crew:
    """Units in the hands of one pool of processes."""

    def __init__(self, task: Task, cancel: Flag) -> None:
        self.task, self.cancel, self.store = task, cancel, Store(task.out)
        self.running: dict[Future[Any], Unit] = {}

    def work(
        self, pool: ProcessPoolExecutor, units: Iterator[Unit], most: int
    ) -> Iterator[Told]:
        """All these units, so many at a time, the ones that wait included."""
        while not self.cancel.is_set():
            while len(self.running) < most and (unit := next(units, None)):
                try:
                    with _held_back():
                        self.running[pool.submit(_do, unit)] = unit
                except BrokenProcessPool:
                    self.running[Future()] = unit  # not lost
                    raise
            if not self.running:
                return
            ready, _ = wait(self.running, timeout=_POLL, return_when=FIRST_COMPLETED)
            for future in ready:
                told = future.result()
                unit = self.running.pop(future)
                if isinstance(told, Made):  # the worker could not write there
                    self.store.put(unit, told, self.task.plan_hash)
                    told = report(unit, told)
                yield unit, told


@contextmanager
def _pool(workers: int, task: Task) -> Iterator[ProcessPoolExecutor]:
    context = mp.get_context("spawn")  # threads and CUDA do not survive a fork
    theirs, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_begin, initargs=(theirs, task)
    )
    try:
        yield pool
    finally:
        ours.close()  # the end of file that stops the workers
        pool.shutdown(wait=True, cancel_futures=True)
        theirs.close()


@contextmanager
def _held_back() -> Iterator[None]:
    """Ctrl+C waits, and does not reach a process that starts meanwhile."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass
class _Here:
    """What a worker process holds."""

    worker: Worker
    store: Store


_here: _Here


def _begin(stop: Connection, task: Task) -> None:
    """In a worker process, first."""
    global _here
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the driver
    Thread(target=_end_with, args=(stop,), daemon=True).start()
    os.environ["CPU_LIMIT"] = "1"  # the engine's threads: as many processes are there
    _here = _Here(task.worker(), Store(task.out))


def _end_with(stop: Connection) -> None:
    """End this process, whatever it does, once the driver has closed or died."""
    with suppress(EOFError, OSError):
        stop.recv()
    os._exit(1)


def _do(unit: Unit) -> Report | Made | Failed:
    made = attempt(_here.worker, unit)
    assert made is not None  # nobody cancels here
    if isinstance(made, Failed) or _here.store.is_private:
        return made
    _here.store.put(unit, made, _here.worker.plan_hash)
    return report(unit, made)
