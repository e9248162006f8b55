"""The CUDA benchmark, as far as a machine without such a device can tell."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.hf

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def cuda(repository: Path) -> Any:
    path = repository / "benchmarks" / "cuda.py"
    spec = importlib.util.spec_from_file_location("cuda_benchmark", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(path.parent))
        patch.setattr(os, "environ", dict(os.environ))  # `_common` sets variables
        spec.loader.exec_module(module)
    return module


@pytest.fixture
def results(repository: Path, tmp_path: Path) -> Path:
    path = tmp_path / "RESULTS.md"
    shutil.copy(repository / "benchmarks" / "RESULTS.md", path)
    return path


def test_only_the_section_between_the_marks_is_rewritten(
    cuda: Any, results: Path
) -> None:
    results.write_text(results.read_text() + "\n## Another section\n")
    before = results.read_text()
    assert cuda.rewrite(results, "| figures |")
    after = results.read_text()
    assert after.count("| figures |") == 1
    assert before.split(cuda.BEGIN)[0] == after.split(cuda.BEGIN)[0]
    assert before.split(cuda.END)[1] == after.split(cuda.END)[1]
    with pytest.raises(ValueError, match="lacks"):
        cuda.rewrite(Path(__file__).parent / "QUARANTINES.md", "")


def test_without_a_device_it_says_not_measured_and_keeps_figures(
    cuda: Any, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["cuda.py", "--results", str(results)])
    cuda.rewrite(results, "an older text")
    cuda.main()
    assert cuda.NOT_MEASURED in results.read_text()
    cuda.rewrite(results, "| figures |")
    cuda.main()
    assert "| figures |" in results.read_text()
    assert "Not measured" not in results.read_text()


def test_a_trial_on_the_cpu_fills_the_table(
    cuda: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuda, "MAX_TOKENS", 4)
    text = cuda.run(
        Namespace(device="cpu", small=True, seconds=0.0, rungs=["27k"], n=[1, 3])
    )
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert [row.split("|")[1].strip() for row in rows] == [
        "`27k`", "`27k`", "`random, small`", "`random, small`",
    ]  # fmt: skip
    for row in rows:
        speed, limit = (cell.split(",  ")[0] for cell in row.split("|")[5:7])
        assert float(speed.replace(",", "")) > 0
        assert limit.strip()
