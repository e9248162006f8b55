"""Sweeps: a grid of policies, verifiers, strategies, budgets, problems and seeds.

Promises: what is sampled is a function of the plan alone, not of workers, machines or
how often it broke off; every finished unit of work is on disk, whole; a sweep that was
stopped or killed goes on with `resume=True`. Not covered: drawing conclusions; the
tables are Parquet, which pandas and DuckDB read (see docs/sweeps.md).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Flag
from typing import Any

from tts_lab import __version__
from tts_lab.sweeps.local import Told, light, parallel, serial, suggested
from tts_lab.sweeps.plan import Plan, parse, read
from tts_lab.sweeps.store import Known, Store
from tts_lab.sweeps.tables import SCHEMA
from tts_lab.sweeps.tasks import Failed, Queue, Report, Task, UnitsFailed
from tts_lab.sweeps.units import Unit, plan_hash, read_problems, units
from tts_lab.sweeps.work import Cost

__all__ = ["Plan", "Progress", "Sweep", "UnitsFailed", "parse", "read", "sweep"]


@dataclass(frozen=True)
class Progress:
    """How far a sweep is.

    Attributes
    ----------
    done, units : int
        Units of work, those of earlier runs included.
    failed : int
        Units of this run.
    cost : Cost
        Samples, tokens (written, and read by verifiers) and FLOPs of this run.
    seconds : float
        Since this run began.
    eta : float or None
        Seconds left, by samples asked for; None before the first unit.
    """

    done: int
    units: int
    failed: int
    cost: Cost
    seconds: float
    eta: float | None


@dataclass(frozen=True)
class Sweep:
    """What a run of a sweep came to.

    Attributes
    ----------
    out : str
    units : int
    skipped : int
        Units that were done before.
    done : int
        Units done by this run.
    complete : bool
        Whether all are.
    cost : Cost
        Of this run.
    whole : Cost
        Of all units that are done.
    seconds : float
        Of this run.
    worked : float
        Seconds that workers spent on units, all together.
    driver : float
        Seconds of processor time that this process spent.
    """

    out: str
    units: int
    skipped: int
    done: int
    complete: bool
    cost: Cost
    whole: Cost
    seconds: float
    worked: float
    driver: float


def sweep(
    plan: Plan | Mapping[str, Any] | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    resume: bool = False,
    workers: int | None = None,
    ray: str | None = None,
    gpus: float | None = None,
    bank: str | os.PathLike[str] | None = None,
    on_progress: Callable[[Progress], object] = lambda progress: None,
    cancel: Flag | None = None,
) -> Sweep:
    """Measure every combination of a plan; the tables are Parquet files in `out`.

    Parameters
    ----------
    plan : Plan, mapping or path
        A path is of a TOML file; see `tts_lab.sweeps.plan.Plan` for its keys.
    out : str or path
        A new folder: a local path or any URL that fsspec opens.
    resume : bool
        Go on with the sweep of the same plan in `out`.
    workers : int, optional
        Processes, or actors of a cluster. Default: one per core for models of the
        package and endpoints, one for others; on Ray one per GPU, else per CPU or, for
        others, per node. With 1 all is done in this process.
    ray : str, optional
        "auto" or the address of a Ray cluster.
    gpus : float, optional
        Of each actor on a cluster. Default: 1 for models that run in transformers or
        vLLM where there are GPUs, else 0.
    bank : path, optional
        A bank of samples on this machine: rows found there are not drawn again, new
        ones are stored, also of units that are not finished.
    on_progress : callable
        Called with a `Progress` at the start and after each unit.
    cancel : threading.Event, optional
        Once set, the sweep ends soon; what was finished is kept.

    Returns
    -------
    Sweep

    Raises
    ------
    ValueError
        For a plan or option that is not accepted.
    UnitsFailed
        At the end, if units failed: their models do not open or have changed, an
        endpoint died, a strategy raised. All others are done, and stay. A SweepError.
    SweepError
        If `out` holds another sweep or another process writes to it, or no actor of a
        cluster starts. An OSError, as a full disk is.
    ImportError
        If pyarrow, fsspec, Ray or a backend is missing; the message has the pip line.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import pyarrow.parquet
    >>> plan = {"policies": ["27k"], "verifiers": ["exact"], "budgets": [4],
    ...         "strategies": ["best_of_n"], "problems": ["chains:1:8"]}
    >>> with TemporaryDirectory() as folder:
    ...     swept = sweep(plan, f"{folder}/first", workers=1)
    ...     results = pyarrow.parquet.read_table(f"{folder}/first/results")
    >>> swept.complete, swept.cost.samples, results.num_rows
    (True, 32, 8)
    """
    began, processor = time.perf_counter(), time.process_time()
    chosen = _plan(plan)
    _check(workers, ray, gpus, bank)
    store, flag = Store(out), Flag() if cancel is None else cancel
    small = _light(chosen, ray)
    problems = read_problems(chosen)
    every, digest = units(chosen, problems), plan_hash(chosen, problems)
    header = {
        "schema": SCHEMA, "tts_lab": __version__, "hash": digest,
        "plan": chosen.public(), "problems": len(problems), "units": len(every),
    }  # fmt: skip
    crew = workers or suggested(small)
    with ExitStack() as stack:
        if ray is not None:
            from tts_lab.sweeps.on_ray import joined, on_ray

            stack.enter_context(joined(ray))
        stack.enter_context(store.alone())
        store.begin(header, resume=resume)
        known = Known()
        if resume:
            store.tidy()
            known = store.known([(unit.id, unit) for unit in every], digest)
        left = [u for u in every if u.id not in known.done] if known.done else every
        task = Task(
            os.fspath(out), digest, known.fingerprints,
            None if bank is None else os.fspath(bank),
        )  # fmt: skip
        tally = _Tally(
            len(known.done), len(every), sum(u.weight for u in left), on_progress
        )
        queue = Queue(left, patience=2 + crew)
        if not left:
            reports: Iterator[Told] = iter(())
        elif ray is not None:
            reports = on_ray(
                queue, task, flag, count=len(left), light=small, actors=workers,
                gpus=gpus,
            )  # fmt: skip
        elif min(crew, len(left)) == 1:
            reports = serial(queue, task, flag)
        else:
            _compile()
            reports = parallel(queue, task, flag, workers=min(crew, len(left)))
        if isinstance(reports, Generator):
            stack.enter_context(closing(reports))
        for unit, told in reports:
            queue.note(unit, told)
            tally.add(unit, told)
    if queue.failed:
        raise UnitsFailed(store.title, tuple(queue.failed), dict(queue.untried))
    return Sweep(
        store.title, len(every), len(known.done), tally.fresh,
        len(known.done) + tally.fresh == len(every), tally.cost,
        known.cost.plus(tally.cost), time.perf_counter() - began, tally.worked,
        time.process_time() - processor,
    )  # fmt: skip


class _Tally:
    def __init__(
        self, before: int, units: int, weight: int, tell: Callable[[Progress], object]
    ) -> None:
        self.before, self.units, self.weight, self.tell = before, units, weight, tell
        self.fresh, self.failed, self.ended, self.worked = 0, 0, 0, 0.0
        self.cost, self.began = Cost(), time.perf_counter()
        self._say()

    def add(self, unit: Unit, told: Report | Failed) -> None:
        self.ended += unit.weight
        if isinstance(told, Failed):
            self.failed += 1
        else:
            self.fresh += 1
            self.cost = self.cost.plus(told.cost)
            self.worked += told.seconds
        self._say()

    def _say(self) -> None:
        seconds = time.perf_counter() - self.began
        left = self.weight - self.ended
        eta = seconds * left / self.ended if self.ended else None
        done = self.before + self.fresh
        self.tell(Progress(done, self.units, self.failed, self.cost, seconds, eta))


def _plan(given: Plan | Mapping[str, Any] | str | os.PathLike[str]) -> Plan:
    if isinstance(given, Plan):
        return given
    return parse(given) if isinstance(given, Mapping) else read(Path(given))


def _check(
    workers: int | None,
    ray: str | None,
    gpus: float | None,
    bank: str | os.PathLike[str] | None,
) -> None:
    whole = isinstance(workers, int) and not isinstance(workers, bool)
    if workers is not None and not (whole and 1 <= workers <= 100_000):
        raise ValueError(f"workers={workers!r}; accepted is 1 to 100,000, or None")
    if gpus is not None and not 0 <= gpus <= 1024:
        raise ValueError(f"gpus={gpus!r}; accepted is 0 to 1024, or None")
    if gpus is not None and ray is None:
        raise ValueError(f"gpus={gpus!r} without ray=; accepted is with it")
    if bank is not None and ray is not None:
        raise ValueError(
            f"bank={os.fspath(bank)!r} is a file of one machine; accepted without ray= "
            "only: `tts-lab import --format sweep` fills a bank afterwards"
        )


def _light(plan: Plan, ray: str | None) -> bool:
    try:
        return light(plan)
    except (ImportError, ValueError):
        if ray is None:
            raise
        return False  # the cluster's nodes may have what is missing here


def _compile() -> None:
    """The engine once, not in every worker at the same time."""
    from tts_lab.ladder.compiled import ensure

    ensure(lambda message: None)
