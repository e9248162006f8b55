"""Units of a sweep on a Ray cluster: an actor per CPU slot or GPU.

Promises: an actor opens its models once; a unit whose actor or node dies is done again
by another actor, and its files have the same names, so nothing is lost or doubled; an
actor gets work only when it is up, so a node that never comes back holds nothing up; a
cluster on which no actor starts is an error, after a while that an autoscaler may need.
Ray restarts actors, and asks an autoscaler for nodes when there are more actors than
places. Not covered: starting clusters, or installing tts-lab on their nodes.

The tables are written by the actors where `out` is a URL, and by the driver where it is
a local path, which other machines may not have.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from socket import create_connection
from threading import Event as Flag
from typing import Any, NamedTuple

from tts_lab.sweeps.local import Told
from tts_lab.sweeps.store import Store, SweepError
from tts_lab.sweeps.tasks import Failed, Report, Task, attempt, report
from tts_lab.sweeps.units import Unit
from tts_lab.sweeps.work import Made

_POLL = 0.2  # seconds between looks at `cancel`
_ATTEMPTS = 5  # at a unit whose actor dies
_START = 900.0  # seconds without any actor that is up
_PIP = 'sweeps on a cluster need Ray; install it: pip install "tts-lab[ray]"'


class Places(NamedTuple):
    """How many actors, and what each asks the cluster for.

    Attributes
    ----------
    actors : int
    cpus, gpus : float
    spread : bool
        Over nodes, rather than filling one after the other.
    """

    actors: int
    cpus: float
    gpus: float
    spread: bool


def places(
    cluster: Mapping[str, float],
    nodes: int,
    *,
    light: bool,
    gpus: float | None,
    actors: int | None,
) -> Places:
    """An actor per GPU, per CPU slot for light models, or per node for others.

    Parameters
    ----------
    cluster : mapping
        What it has in all, as of `ray.cluster_resources()`.
    nodes : int
    light : bool
        Whether all models are small ones of the package, or endpoints.
    gpus : float, optional
        Of each actor; default 1 for models that are not light, if there are any.
    actors : int, optional

    Raises
    ------
    SweepError
        If GPUs are asked for, the cluster has none, and actors is None.

    Examples
    --------
    >>> places({"CPU": 32.0, "GPU": 4.0}, 2, light=False, gpus=None, actors=None)
    Places(actors=4, cpus=0, gpus=1.0, spread=False)
    >>> places({"CPU": 32.0}, 2, light=True, gpus=None, actors=None)
    Places(actors=32, cpus=1, gpus=0, spread=False)
    """
    there = cluster.get("GPU", 0.0)
    if gpus is None:
        gpus = 1.0 if there >= 1 and not light else 0
    if not gpus:
        fitting = int(cluster.get("CPU", 0)) if light else nodes
        return Places(actors or max(1, fitting), 1, 0, not light)
    if there < gpus and actors is None:
        raise SweepError(
            f"--gpus {gpus:g}: the cluster has {there:g} GPUs; with an autoscaler, say "
            "how many actors: --workers"
        )
    return Places(actors or int(there / gpus), 0, gpus, False)


@contextmanager
def joined(address: str) -> Iterator[None]:
    """A cluster, while it lasts; one that this process had joined before stays joined.

    Parameters
    ----------
    address : str
        "auto" for the cluster that this machine belongs to (or else a new local one),
        or an address such as 127.0.0.1:6379.

    Raises
    ------
    ImportError
        If Ray is missing.
    SweepError
        If the cluster is not there.
    """
    try:
        import ray
    except ImportError as error:
        raise ImportError(_PIP) from error
    if ray.is_initialized():
        yield
        return
    try:
        _connect(ray, address)
        yield
    finally:
        ray.shutdown()


def on_ray(
    units: Iterable[Unit],
    task: Task,
    cancel: Flag,
    *,
    count: int,
    light: bool,
    actors: int | None = None,
    gpus: float | None = None,
) -> Iterator[Told]:
    """Do all units on the cluster joined; results come as they are ready.

    Parameters
    ----------
    units, task, cancel
        As in `tts_lab.sweeps.local`.
    count : int
        Of the units: more actors are not needed.
    light, actors, gpus
        As of `places`.

    Raises
    ------
    SweepError
        If no actor starts.
    """
    import ray

    store = Store(task.out)
    here = store.is_local or store.is_private
    has = ray.cluster_resources()
    nodes = sum(node["Alive"] for node in ray.nodes())
    asked = places(has, nodes, light=light, gpus=gpus, actors=actors)
    # Ray restarts what dies; what it was doing goes back to the queue here
    start = ray.remote(
        num_cpus=asked.cpus, num_gpus=asked.gpus, max_restarts=-1, max_task_retries=0,
        scheduling_strategy="SPREAD" if asked.spread else "DEFAULT",
    )(_Actor).remote  # fmt: skip
    wants = f"{asked.cpus:g} CPUs and {asked.gpus:g} GPUs; the cluster has {has}"
    made: list[Any] = []
    try:
        made += [start(task, here=here, threads=1 if light else None)
                 for _ in range(min(asked.actors, count))]  # fmt: skip
        for unit, told in _dispatch(ray, made, units, cancel, wants):
            if isinstance(told, Made):
                store.put(unit, told, task.plan_hash)
                told = report(unit, told)
            yield unit, told
    finally:
        for actor in made:
            ray.kill(actor)


def _connect(ray: Any, address: str) -> None:
    """Join the cluster; "auto" without one starts one here."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would call home
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address == "auto":
            try:
                ray.init(address="auto", **quiet)
            except ConnectionError:
                ray.init(include_dashboard=False, **quiet)
        else:
            _knock(address)
            ray.init(address=address, **quiet)
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        raise SweepError(
            f"--ray {address!r}: no cluster there ({error!s:.200}); accepted are "
            "'auto', or an address such as 127.0.0.1:6379"
        ) from error


def _knock(address: str) -> None:
    """Whether anybody is there: Ray itself would wait for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdecimal() and int(port) < 65536):
        raise ValueError("it has no host and port")
    create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _dispatch(
    ray: Any, actors: Sequence[Any], units: Iterable[Unit], cancel: Flag, wants: str
) -> Iterator[tuple[Unit, Any]]:
    """Give units to actors that are up; those of actors that died to others."""
    waiting, queue = iter(units), list[Unit]()
    failed: Counter[str] = Counter()
    ping = {"max_task_retries": -1}  # answered after a restart, however long it takes
    starting = {actor.ready.options(**ping).remote(): actor for actor in actors}
    working: dict[Any, tuple[Any, Unit]] = {}
    idle: list[Any] = []
    up = time.monotonic()  # when an actor was last seen to be up
    while not cancel.is_set():
        while not queue or idle:
            if not queue:
                queue += [*islice(waiting, 1)]
            if not (queue and idle):
                break
            actor, unit = idle.pop(), queue.pop()
            working[actor.do.remote(unit)] = actor, unit
        if not (queue or working):
            return
        if working:
            up = time.monotonic()
        elif time.monotonic() - up > _START:
            raise SweepError(
                f"no actor has started for {_START:.0f} s; each asks for {wants}"
            )
        ready, _ = ray.wait([*starting, *working], num_returns=1, timeout=_POLL)
        for one in ready:
            if one in starting:
                actor = starting.pop(one)
                try:
                    ray.get(one)
                except ray.exceptions.RayError as error:  # Ray has given it up
                    if not (starting or working or idle):
                        raise SweepError(f"no actor starts: {error}") from error
                else:
                    idle.append(actor)
                continue
            actor, unit = working.pop(one)
            try:
                told = ray.get(one)
            except ray.exceptions.RayTaskError as error:
                raise error.as_instanceof_cause() from None
            except ray.exceptions.RayError as error:  # its actor or node died
                starting[actor.ready.options(**ping).remote()] = actor
                failed[unit.id] += 1
                if failed[unit.id] < _ATTEMPTS:
                    queue.append(unit)
                else:
                    yield (
                        unit,
                        Failed.of(unit, f"its actor died {_ATTEMPTS} times ({error})"),
                    )
                continue
            idle.append(actor)
            yield unit, told


class _Actor:
    """A worker of a cluster; made remote by `on_ray`."""

    def __init__(self, task: Task, *, here: bool, threads: int | None) -> None:
        if threads is not None:  # the engine's; the actor has as many CPUs
            os.environ["CPU_LIMIT"] = str(threads)
        self.worker = task.worker()
        self.store = None if here else Store(task.out)

    def ready(self) -> bool:
        """Whether it is up, by answering."""
        return True

    def do(self, unit: Unit) -> Report | Made | Failed:
        """Do a unit, and store it unless only the driver can."""
        made = attempt(self.worker, unit)
        assert made is not None
        if isinstance(made, Failed) or self.store is None:
            return made
        self.store.put(unit, made, self.worker.plan_hash)
        return report(unit, made)
