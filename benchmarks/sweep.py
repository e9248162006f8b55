"""Sweeps at 1, 2 and 4 workers, here and on Ray: samples a second, the driver's share.

    python benchmarks/sweep.py [--ray] [--budget 256] [--problems 100] [--workers 1 2 4]

The same plan each time, drawn anew; with --ray on a Ray cluster of one node with as
many CPUs as workers. The time includes starting workers and opening models, so a second
figure leaves out all before the first unit is done. The driver's share is the processor
time of the process that hands out units, per second of the sweep; with one worker here
that process does the work itself.
"""

from __future__ import annotations

import argparse
import tempfile
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
        "where": "ray" if ray else "here",
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
    for workers in options.workers:
        if options.ray:
            import ray

            ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
        found = measured(plan, workers, options.ray)
        if options.ray:
            ray.shutdown()
        say(
            f"{found['where']}, {workers} workers: {found['seconds']:.1f} s, "
            f"{found['samples_per_second']:,.0f} samples/s "
            f"({found['samples_per_second_after_the_first_unit']:,.0f} after the first "
            f"of {found['units']} units), driver {found['driver_seconds']:.2f} s of "
            f"processor, {found['driver_share']:.0%}"
        )


if __name__ == "__main__":
    main()
