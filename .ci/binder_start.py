"""What notebook 00 costs from a fresh kernel to its first output and first live curve.

Processor time of the kernel, imports included, and not the seconds on a clock, which
depend on what else the machine does.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
import psutil
from binder_image import Image
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

PATIENCE = 300  # seconds for one cell
WIDGET = "explorer = CoverageExplorer()"
# What pressing Run does; the chart has such a path once a curve is drawn.
PRESS = """
import time
explorer.run()
while "tts-curve" not in explorer.chart.value and explorer.status.active:
    time.sleep(0.01)
assert "tts-curve" in explorer.chart.value, explorer.status
"""


def compute(image: Image, path: Path) -> dict[str, float]:
    """Run a notebook up to its first live curve; processor seconds to both places."""
    specs = KernelSpecManager(
        kernel_dirs=[str(image.kernels / "share/jupyter/kernels")]
    )
    manager = KernelManager(kernel_name="binder", kernel_spec_manager=specs)
    manager.start_kernel(
        env=image.environment,
        cwd=str(path.parent),
        extra_arguments=["--log-level=ERROR"],
    )
    client = manager.blocking_client()
    kernel = psutil.Process(manager.provisioner.pid)
    outputs: list[str] = []

    def note(message: dict[str, object]) -> None:
        outputs.append(str(message["msg_type"]))

    def execute(code: str) -> None:
        reply = client.execute_interactive(
            code, allow_stdin=False, timeout=PATIENCE, output_hook=note
        )
        if reply["content"]["status"] != "ok":
            raise SystemExit("\n".join(reply["content"]["traceback"]))

    def spent() -> float:
        times = kernel.cpu_times()
        return round(sum(times[:4]), 2)  # its own and its children's

    found: dict[str, float] = {}
    try:
        client.start_channels()
        client.wait_for_ready(timeout=PATIENCE)
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type != "code":
                continue
            execute(cell.source)
            if {"stream", "execute_result", "display_data"} & set(outputs):
                found.setdefault("cpu_seconds_to_first_output", spent())
            if WIDGET in cell.source:
                execute(PRESS)
                found["cpu_seconds_to_first_live_curve"] = spent()
                break
        else:
            raise SystemExit(f"{path.name} has no cell with {WIDGET!r}")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return found
