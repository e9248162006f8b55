"""Sweeps at 1, 2 and 4 workers, here and on Ray: samples a second, the driver's share.

    python benchmarks/sweep.py [--ray] [--budget 256] [--problems 100] [--workers 1 2 4]

Prints a table in Markdown. The same plan each time, drawn anew; with --ray also on a
Ray cluster of one node with as many CPUs as workers. The time includes starting workers
and opening models (joining the cluster not), so a second rate leaves out all before the
first unit is done. The driver's share is the processor time of the process that hands
out units, per second of the sweep; with one worker here that process does the work
itself.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from _common import say

import tts_lab
from tts_lab.sweeps import Progress


def measured(plan: dict[str, Any], workers: int, ray: bool) -> dict[str, Any]:
    """One sweep, from start to end."""
    first: list[Progress] = []

    def watch(progress: Progress) -> None:
        if progress.done and not first:
            first.append(progress)

    with tempfile.TemporaryDirectory() as folder:
        swept = tts_lab.sweep(
            plan, f"{folder}/out", workers=workers, ray="auto" if ray else None,
            on_progress=watch,
        )  # fmt: skip
    later = swept.seconds - first[0].seconds
    drawn = swept.cost.samples - first[0].cost.samples
    return {
        "where": "Ray" if ray else "here",
        "workers": workers,
        "units": swept.units,
        "seconds": swept.seconds,
        "samples_per_second": swept.cost.samples / swept.seconds,
        "samples_per_second_after_the_first_unit": drawn / later,
        "driver_seconds": swept.driver,
        "driver_share": swept.driver / swept.seconds,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ray", action="store_true")
    parser.add_argument("--budget", type=int, default=256)
    parser.add_argument("--problems", type=int, default=100)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2, 4])
    options = parser.parse_args()
    plan = {
        "policies": ["105k"], "verifiers": ["exact"], "strategies": ["best_of_n"],
        "budgets": [options.budget], "problems": [f"chains:5:{options.problems}"],
        "seeds": [0, 1, 2, 3], "chunk": 10,
    }  # fmt: skip
    rounds = [(workers, False) for workers in options.workers]
    if options.ray:
        rounds += [(workers, True) for workers in options.workers]
    say(
        "| where | workers | seconds | samples/s | after the first unit | driver, "
        "processor seconds | its share |\n|---|---:|---:|---:|---:|---:|---:|"
    )
    for workers, on_ray in rounds:
        with cluster(workers) if on_ray else nullcontext():
            found = measured(plan, workers, on_ray)
        say(
            f"| {found['where']} | {workers} | {found['seconds']:.1f} | "
            f"{found['samples_per_second']:,.0f} | "
            f"{found['samples_per_second_after_the_first_unit']:,.0f} | "
            f"{found['driver_seconds']:.2f} | {found['driver_share']:.0%} |"
        )
    say(
        f"({found['units']} units of {options.budget} samples of each of up to 10 "
        f"problems, policy 105k)"
    )


@contextmanager
def cluster(cpus: int) -> Iterator[None]:
    """A Ray cluster of one node; sweeps join it."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # as the workers here
    import ray

    ray.init(
        address="local", num_cpus=cpus, include_dashboard=False, log_to_driver=False,
        logging_level="ERROR",
    )  # fmt: skip
    try:
        yield
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main()
