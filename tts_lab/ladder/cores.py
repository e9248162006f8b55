"""How many processors this process may keep busy.

Not the number that the machine has: a container of a shared machine sees all of them
and is held back once it has used its share. More threads than that gain no time and
cost memory each. Not covered: shares given by weight alone, which hold nobody back.
"""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path


def cores(root: Path = Path("/sys/fs/cgroup")) -> int:
    """Processors this process may use: those it is bound to, or fewer by a limit.

    Parameters
    ----------
    root : Path
        Where Linux keeps a container's limits (cgroup v2 or v1).

    Returns
    -------
    int
        At least 1. A limit of 1.5 processors is 2. `CPU_LIMIT`, by which JupyterHub
        tells a user's server its limit, counts as well.

    References
    ----------
    Linux kernel documentation, "Control Group v2" (cpu.max) and "CFS Bandwidth
    Control" (cpu.cfs_quota_us); JupyterHub, `Spawner.cpu_limit`.

    Examples
    --------
    >>> cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        bound = len(os.sched_getaffinity(0))
    else:
        bound = os.cpu_count() or 1
    limits = [_told(), _quota(root)]
    return min([bound, *(max(1, math.ceil(limit)) for limit in limits if limit)])


def _told() -> float | None:
    """Processors that JupyterHub gives a user's server."""
    with suppress(ValueError):
        limit = float(os.environ.get("CPU_LIMIT", ""))
        if 0 < limit < math.inf:
            return limit
    return None


def _quota(root: Path) -> float | None:
    """Processors' time per time that the kernel gives this container."""
    with suppress(OSError, ValueError):  # no such file, or "max" for no limit
        quota, period = (root / "cpu.max").read_text().split()
        return int(quota) / int(period)
    with suppress(OSError, ValueError):
        names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        quota, period = ((root / "cpu" / name).read_text() for name in names)
        if int(quota) > 0:  # -1 for no limit
            return int(quota) / int(period)
    return None
