"""Does the course run on Binder? Build the image's content, run every notebook in it.

    python .ci/binder.py [--quick] [--keep FOLDER] [NOTEBOOK ...]

Builds what `binder_image` describes, starts its server, and runs nbval on each
notebook (all of `notebooks/` and `exercises/solutions/` without names) with a kernel
of the image beside that server, both together held to 1 GiB. Prints how each went and
the most memory seen, and how much processor time notebook 00 took to its first output
and its first live curve; `artifacts/binder.json` keeps the same. Ends with 1 if a
notebook failed. `--quick` leaves repo2docker's own packages out; `--keep` builds in
that folder and leaves it, or uses what an earlier call left there. Linux only.

nbval, psutil and jupyter_client are this environment's, the image has none of it added.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from binder_image import ROOT, Image
from binder_memory import Watch, family, held
from binder_start import compute

LIMIT = 1 << 30
CELL_SECONDS = 900
FOLDERS = ("notebooks", "exercises/solutions")
FIRST = "notebooks/00_start_here.ipynb"


def nbval(image: Image, server: psutil.Process, name: str) -> dict[str, object]:
    """Run one notebook; how it ended, seconds and the peak in MiB."""
    began = time.monotonic()
    pytest = subprocess.Popen(
        [
            *(sys.executable, "-m", "pytest", "-q", "--nbval-lax", "-rN"),
            *("--nbval-kernel-name=binder", f"--nbval-cell-timeout={CELL_SECONDS}"),
            *("-p", "no:cacheprovider", "-o", "addopts=", "-o", "timeout=0", name),
        ],
        cwd=image.home,
        env=image.environment | {"JUPYTER_PATH": str(image.kernels / "share/jupyter")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    def kernels() -> list[psutil.Process]:
        return family(pytest.pid)[1:]  # pytest itself is not of the image

    with Watch(lambda: family(server.pid) + kernels(), kernels, LIMIT) as watch:
        said, _ = pytest.communicate()
    if pytest.returncode:
        print(said[-6000:])
    ended = "over 1 GiB" if watch.over else "failed" if pytest.returncode else "passed"
    return {
        "notebook": name,
        "ended": ended,
        "seconds": round(time.monotonic() - began, 1),
        "peak_mib": round(watch.peak / 2**20),
    }


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    parser.add_argument("notebooks", nargs="*", metavar="NOTEBOOK")
    return parser.parse_args()


def check(image: Image, names: list[str], *, base: bool) -> dict[str, object]:
    """Build, start, measure, run all; what `artifacts/binder.json` holds."""
    began = time.monotonic()
    if not image.python.exists():
        print("==> building, in repo2docker's order (two to five minutes)", flush=True)
        image.build(base=base)
    record: dict[str, object] = {"seconds_to_build": round(time.monotonic() - began, 1)}
    process, seconds = image.serve()
    server = psutil.Process(process.pid)
    try:
        record["seconds_to_server"] = round(seconds, 1)
        record |= compute(image, image.home / FIRST)
        record["server_mib"] = round(held(family(server.pid)) / 2**20)
        for key, value in record.items():
            print(f"{key.replace('_', ' '):42} {value}")
        results = []
        print(f"\n{'notebook':48} {'ended':11} {'seconds':>7} {'peak MiB':>9}")
        for name in names:
            one = nbval(image, server, name)
            results.append(one)
            print("{notebook:48} {ended:11} {seconds:7} {peak_mib:9}".format(**one))
            sys.stdout.flush()
        return record | {"notebooks": results}
    finally:
        process.terminate()
        process.wait(30)


def main() -> int:
    given = options()
    if sys.platform != "linux":
        raise SystemExit(f"memory is counted on Linux only; this is {sys.platform}")
    found = (p for f in FOLDERS for p in sorted((ROOT / f).glob("*.ipynb")))
    names = given.notebooks or [p.relative_to(ROOT).as_posix() for p in found]
    with tempfile.TemporaryDirectory(prefix="binder-") as temporary:
        folder = given.keep.resolve() if given.keep else Path(temporary) / "image"
        record = check(Image(folder), names, base=not given.quick)
    artifacts = ROOT / "artifacts"
    artifacts.mkdir(exist_ok=True)
    (artifacts / "binder.json").write_text(json.dumps(record, indent=2) + "\n")
    return any(one["ended"] != "passed" for one in record["notebooks"])


if __name__ == "__main__":
    sys.exit(main())
