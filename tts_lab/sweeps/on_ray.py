"""Units of a sweep on a Ray cluster: an actor per CPU slot or GPU.

Promises: an actor opens its models once; a unit whose actor or node dies is done again
by another actor, and its files have the same names, so nothing is lost or doubled; an
actor gets work only when it is up, so a node that never comes back holds nothing up.
Ray restarts actors, and asks an autoscaler for nodes when there are more actors than
places. Not covered: starting clusters, or installing tts-lab on their nodes.

The tables are written by the actors where `out` is a URL, and by the driver where it is
a local path, which other machines may not have.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from socket import create_connection
from threading import Event as Flag
from typing import Any

from tts_lab.sweeps.local import Report, Task, report
from tts_lab.sweeps.store import Store, SweepError
from tts_lab.sweeps.units import Unit
from tts_lab.sweeps.work import Made

_POLL = 0.2  # seconds between looks at `cancel`
_ATTEMPTS = 10  # at one unit, before the sweep gives up
_PIP = 'sweeps on a cluster need Ray; install it: pip install "tts-lab[ray]"'


def on_ray(
    units: Sequence[Unit],
    task: Task,
    cancel: Flag,
    *,
    address: str,
    actors: int | None = None,
    gpus: float = 0,
) -> Iterator[Report]:
    """Do all units on a cluster; results come as they are ready.

    Parameters
    ----------
    units, task, cancel
        As in `tts_lab.sweeps.local`.
    address : str
        "auto" for the cluster that this machine belongs to (or else a new local one),
        or an address such as ray://host:10001.
    actors : int, optional
        Default: one per GPU or CPU that the cluster has now.
    gpus : float
        GPUs of each actor; 0 is one CPU each.

    Raises
    ------
    ImportError
        If Ray is missing.
    SweepError
        If the cluster is not there, or a unit's actors die again and again.
    """
    try:
        import ray
    except ImportError as error:
        raise ImportError(_PIP) from error
    mine = not ray.is_initialized()
    if mine:
        _connect(ray, address)
    store = Store(task.out)
    here = store.is_local or store.is_private
    resources = ray.cluster_resources()
    places = int(resources.get("GPU", 0) / gpus if gpus else resources.get("CPU", 0))
    made: list[Any] = []
    try:
        if gpus and not places and actors is None:
            raise SweepError(
                f"--gpus {gpus!r}: the cluster has {resources.get('GPU', 0):g} GPUs; "
                "with an autoscaler, say how many actors: --workers"
            )
        number = min(actors or max(1, places), len(units))
        # Ray restarts what dies; what it was doing goes back to the queue here
        start = ray.remote(
            num_cpus=0 if gpus else 1, num_gpus=gpus, max_restarts=-1,
            max_task_retries=0,
        )(_Actor).remote  # fmt: skip
        made += [start(task, here=here, threads=None if gpus else 1)
                 for _ in range(number)]  # fmt: skip
        for unit, told in _dispatch(ray, made, units, cancel):
            if isinstance(told, Made):
                store.put(unit, told, task.plan_hash)
                told = report(unit, told)
            yield told
    finally:
        for actor in made:
            ray.kill(actor)
        if mine:
            ray.shutdown()


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
    except (OSError, ValueError, RuntimeError) as error:
        raise SweepError(
            f"--ray {address!r}: no cluster there ({error}); accepted are 'auto', or "
            "an address such as 127.0.0.1:6379 or ray://host:10001"
        ) from error


def _knock(address: str) -> None:
    """Whether anybody is there: Ray itself would wait for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdigit() and int(port) < 65536):
        raise ValueError("it has no host and port")
    create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _dispatch(
    ray: Any, actors: Sequence[Any], units: Sequence[Unit], cancel: Flag
) -> Iterator[tuple[Unit, Any]]:
    """Give units to actors that are up; those of actors that died to others."""
    queue, failed = list(reversed(units)), dict.fromkeys((u.id for u in units), 0)
    left = len(units)
    ping = {"max_task_retries": -1}  # answered after a restart, however long it takes
    pending: dict[Any, tuple[Any, Unit | None]] = {
        actor.ready.options(**ping).remote(): (actor, None) for actor in actors
    }
    idle: list[Any] = []
    while left and not cancel.is_set():
        while idle and queue:
            actor, given = idle.pop(), queue.pop()
            pending[actor.do.remote(given)] = (actor, given)
        ready, _ = ray.wait(list(pending), num_returns=1, timeout=_POLL)
        for one in ready:
            actor, unit = pending.pop(one)
            try:
                told = ray.get(one)
            except ray.exceptions.RayTaskError as error:
                raise error.as_instanceof_cause() from None
            except (ray.exceptions.RayActorError, ray.exceptions.ObjectLostError,
                    ray.exceptions.WorkerCrashedError) as error:  # fmt: skip
                if unit is None:  # Ray has given it up
                    if not (pending or idle):
                        raise SweepError(f"no actor starts: {error}") from error
                    continue
                pending[actor.ready.options(**ping).remote()] = (actor, None)
                failed[unit.id] += 1
                if failed[unit.id] == _ATTEMPTS:
                    raise SweepError(
                        f"unit {unit.folder}/{unit.id} failed {_ATTEMPTS} times: its "
                        f"actors died ({error})"
                    ) from error
                queue.append(unit)
                continue
            idle.append(actor)
            if unit is not None:
                left -= 1
                yield unit, told


class _Actor:
    """A worker of a cluster; made remote by `on_ray`."""

    def __init__(self, task: Task, *, here: bool, threads: int | None) -> None:
        if threads is not None:  # the engine's; the actor has as many CPUs
            os.environ["CPU_LIMIT"] = str(threads)
        self.here = here
        self.worker = task.worker()
        self.store = None if here else Store(task.out)

    def ready(self) -> bool:
        """Whether it is up, by answering."""
        return True

    def do(self, unit: Unit) -> Report | Made:
        """Do a unit, and store it unless only the driver can."""
        made = self.worker.do(unit)
        assert made is not None
        if self.store is None:
            return made
        self.store.put(unit, made, self.worker.plan_hash)
        return report(unit, made)
