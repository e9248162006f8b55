"""Sweeps: a grid of policies, verifiers, strategies, budgets, problems and seeds.

Promises: what is sampled is a function of the plan alone, not of workers, machines or
how often it broke off; every finished unit of work is on disk, whole; a sweep that was
stopped or killed goes on with `resume=True`. Not covered: drawing conclusions; the
tables are Parquet, which pandas and DuckDB read (see docs/sweeps.md).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Flag
from typing import Any

from tts_lab import __version__
from tts_lab.sweeps.plan import Plan, parse, read
from tts_lab.sweeps.units import plan_hash, read_problems, units
from tts_lab.sweeps.work import Cost

__all__ = ["Plan", "Progress", "Sweep", "parse", "read", "sweep"]


@dataclass(frozen=True)
class Progress:
    """How far a sweep is.

    Attributes
    ----------
    done, units : int
        Units of work, those of earlier runs included.
    cost : Cost
        Samples, tokens (written, and read by verifiers) and FLOPs of this run.
    seconds : float
        Since this run began.
    eta : float or None
        Seconds left, by samples asked for; None before the first unit.
    """

    done: int
    units: int
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
    gpus: float = 0,
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
        package and endpoints, one for others; on Ray one per CPU or GPU. With 1 all
        is done in this process.
    ray : str, optional
        "auto" or the address of a Ray cluster.
    gpus : float
        Of each actor on a cluster.
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
        For a plan or option that is not accepted, or a model that has changed.
    SweepError
        If `out` holds another sweep, or workers die. An OSError.
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
    from tts_lab.sweeps.local import Task, parallel, serial, suggested
    from tts_lab.sweeps.store import SCHEMA, Store

    began, processor = time.perf_counter(), time.process_time()
    chosen = _plan(plan)
    if workers is not None and not 1 <= workers <= 100_000:
        raise ValueError(f"workers={workers!r}; accepted is 1 to 100,000, or None")
    if not 0 <= gpus <= 1024 or (gpus and ray is None):
        raise ValueError(f"gpus={gpus!r}; accepted is 0 to 1024, with ray=")
    if bank is not None and ray is not None:
        raise ValueError("bank= is a file of one machine; accepted without ray= only")
    store, flag = Store(out), Flag() if cancel is None else cancel
    problems = read_problems(chosen)
    every, digest = units(chosen, problems), plan_hash(chosen, problems)
    header = {
        "schema": SCHEMA, "tts_lab": __version__, "hash": digest,
        "plan": chosen.public(), "problems": len(problems), "units": len(every),
    }  # fmt: skip
    store.begin(header, resume=resume)
    known = store.done() if resume else set()
    done = [unit for unit in every if unit.id in known]
    left = [unit for unit in every if unit.id not in known]
    task = Task(
        os.fspath(out), digest, store.fingerprints(done),
        None if bank is None else os.fspath(bank),
    )  # fmt: skip
    tally = _Tally(len(done), len(every), sum(u.weight for u in left), on_progress)
    if left:
        if ray is not None:
            from tts_lab.sweeps.on_ray import on_ray

            reports = on_ray(left, task, flag, address=ray, actors=workers, gpus=gpus)
        else:
            number = min(workers or suggested(chosen, len(left)), len(left))
            if number == 1:
                reports = serial(left, task, flag)
            else:
                _compile(chosen)
                reports = parallel(left, task, flag, workers=number)
        with closing(reports):  # type: ignore[type-var]
            for one in reports:
                tally.add(one.weight, one.cost, one.seconds)
    return Sweep(
        store.title, len(every), len(done), tally.fresh,
        len(done) + tally.fresh == len(every), tally.cost,
        time.perf_counter() - began, tally.worked, time.process_time() - processor,
    )  # fmt: skip


class _Tally:
    def __init__(
        self, before: int, units: int, weight: int, tell: Callable[[Progress], object]
    ) -> None:
        self.before, self.units, self.weight, self.tell = before, units, weight, tell
        self.fresh, self.done_weight, self.worked = 0, 0, 0.0
        self.cost, self.began = Cost(), time.perf_counter()
        self._say()

    def add(self, weight: int, cost: Cost, seconds: float) -> None:
        self.fresh += 1
        self.done_weight += weight
        self.cost = self.cost.plus(cost)
        self.worked += seconds
        self._say()

    def _say(self) -> None:
        seconds = time.perf_counter() - self.began
        left = self.weight - self.done_weight
        eta = seconds * left / self.done_weight if self.done_weight else None
        self.tell(
            Progress(self.before + self.fresh, self.units, self.cost, seconds, eta)
        )


def _plan(given: Plan | Mapping[str, Any] | str | os.PathLike[str]) -> Plan:
    if isinstance(given, Plan):
        return given
    return parse(given) if isinstance(given, Mapping) else read(Path(given))


def _compile(plan: Plan) -> None:
    """The engine once, not in every worker at the same time."""
    from tts_lab.ladder.compiled import ensure

    ensure(lambda message: None)
