"""Binder: the files it reads, and notebook 00 in what it would build, without Docker.

`make binder` does the same with every notebook and with the packages that repo2docker
itself brings; it takes a quarter of an hour.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import tomllib

import psutil
import pytest

FIRST = "notebooks/00_start_here.ipynb"
LIMIT_MIB = 1024
CPU_SECONDS = 30  # three times the bar


def names(lines):
    return {re.match(r"[\w-]+", line)[0].lower() for line in lines}


def requirements(repository):
    text = (repository / "binder" / "requirements.txt").read_text()
    return [line for line in text.splitlines() if line and line[0] != "#"]


def test_it_asks_for_the_core_and_a_front_end(repository):
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    lab = project["optional-dependencies"]["lab"]
    asked = requirements(repository)
    assert asked[0] == "-c ../constraints.txt"
    assert names(asked[1:]) == names([*project["dependencies"], *lab, "notebook"])


def test_all_it_asks_for_is_pinned(repository):
    pins = (repository / "constraints.txt").read_text().lower().splitlines()
    pinned = names(line for line in pins if "==" in line)
    assert names(requirements(repository)[1:]) - pinned == set()


def test_the_python_is_one_of_ours(repository):
    """Unnamed it would be 3.10."""
    text = (repository / "binder" / "runtime.txt").read_text()
    major, minor = re.fullmatch(r"python-(\d+)\.(\d+)\n", text).groups()
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    listed = "Programming Language :: Python :: "
    versions = {c.removeprefix(listed) for c in project["classifiers"]}
    assert f"{major}.{minor}" in versions


def test_there_is_nothing_that_repo2docker_would_prefer(repository):
    """An environment.yml or a Dockerfile, say, would be read instead."""
    found = {path.name for path in (repository / "binder").iterdir()}
    assert found == {"postBuild", "requirements.txt", "runtime.txt", "start"}
    assert not (repository / ".binder").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Binder's scripts are for bash")
@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_its_scripts_are_scripts(repository, name):
    path = repository / "binder" / name
    assert path.read_bytes().startswith(b"#!/bin/bash\n")
    assert os.access(path, os.X_OK)
    subprocess.run(["bash", "-n", path], check=True)


def test_a_build_that_fails_makes_no_image(repository):
    lines = (repository / "binder" / "postBuild").read_text().splitlines()
    assert next(line for line in lines if line[0] != "#") == "set -e"


@pytest.mark.skipif(sys.platform == "win32", reason="Binder's scripts are for bash")
@pytest.mark.parametrize("status", [0, 7])
def test_start_becomes_the_server(repository, tmp_path, status):
    """Whatever `tts-lab warmup` does; and no more threads than the container has."""
    fake = tmp_path / "tts-lab"
    fake.write_text("#!/bin/sh\necho warmed >&2; exit 3\n")
    fake.chmod(0o755)
    kept = {k: v for k, v in os.environ.items() if k != "CPU_LIMIT"}
    done = subprocess.run(
        [
            *(repository / "binder" / "start", "sh", "-c"),
            f'echo "$CPU_LIMIT: $1"; exit {status}',
            *("server", "--port=1 2"),
        ],
        env=kept | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (status, "2: --port=1 2\n")
    assert done.stderr == ""


def test_what_is_blocked_is_not_found(tools, tmp_path):
    from binder_image import BLOCK

    (tmp_path / "torch.py").write_text("")
    (tmp_path / "torchless.py").write_text("")
    (tmp_path / "blocked_here.py").write_text(BLOCK)
    code = """
import blocked_here
import torchless
from importlib.util import find_spec
assert find_spec("torch") is find_spec("vllm.engine") is None
assert find_spec("torchless") is not None
for name in ("torch", "torch.nn", "transformers", "vllm"):
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        assert error.name.startswith(name.partition(".")[0])
    else:
        raise AssertionError(name)
"""
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_a_checkout_is_what_a_commit_would_hold(tools, tmp_path):
    from checkout import checkout

    one, two = tmp_path / "one", tmp_path / "two"
    (one / "a folder").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", one], check=True)
    for name in ("old", "gone", "a folder/ü", "built"):
        (one / name).write_text(name, encoding="utf-8")
    (one / ".gitignore").write_text("built\n")
    subprocess.run(["git", "-C", one, "add", "old", "gone"], check=True)
    (one / "gone").unlink()
    assert checkout(one, two) == two
    copied = {p.relative_to(two).as_posix() for p in two.rglob("*") if p.is_file()}
    assert copied == {".gitignore", "old", "a folder/ü"}


def test_other_systems_are_refused(tools, monkeypatch):
    import binder

    monkeypatch.setattr(binder, "check", None)
    monkeypatch.setattr(sys, "argv", ["binder.py"])
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(SystemExit, match="Linux only; this is darwin"):
        binder.main()


def test_what_ends_the_watch_is_raised(tools):
    """Else nothing would be limited, and the run would count as passed."""
    from binder_memory import Watch

    looked = threading.Event()

    def group():
        looked.set()
        raise OSError("no /proc")

    with (
        pytest.raises(OSError, match="no /proc"),
        Watch(group, list, 1 << 30) as watch,
    ):
        assert looked.wait(60)
    assert not watch.over


@pytest.mark.skipif(sys.platform != "linux", reason="counts as Linux does")
def test_what_ended_by_itself_need_not_be_killed(tools):
    from binder_memory import Watch

    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1) as process:
        gone = psutil.Process(process.pid)
        process.communicate(b"\n")
    killed = threading.Event()

    class Last:
        kill = killed.set

    with Watch(lambda: [psutil.Process()], lambda: [gone, Last()], 0) as watch:
        assert killed.wait(60)
    assert watch.over


@pytest.mark.skipif(sys.platform != "linux", reason="counts as Linux does")
@pytest.mark.parametrize("mib", [10, 300])
def test_what_takes_too_much_is_killed_and_what_does_not_is_not(tools, mib):
    from binder_memory import Watch, family

    # A child of a child holds it, as a kernel's children would.
    inner = f"import sys; held = b'x' * ({mib} << 20); print(len(held), flush=True); "
    code = (
        "import subprocess, sys; "
        f"child = [sys.executable, '-c', {inner + 'sys.stdin.read()'!r}]; "
        "sys.exit(subprocess.run(child).returncode)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:

        def group():
            return family(process.pid)

        with Watch(group, group, 200 << 20) as watch:
            if mib < 200:
                assert int(process.stdout.readline()) == mib << 20
                while watch.peak < mib << 20:
                    assert process.poll() is None
                process.stdin.close()
            process.wait(60)
    assert watch.over == (mib > 200)
    assert (process.returncode == 0) == (mib < 200)


@pytest.mark.skipif(sys.platform != "linux", reason="an image is of Linux")
@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="runtime.txt: Python 3.11")
@pytest.mark.timeout(2400)  # the machine may be busy, and the network slow
def test_notebook_00_runs_in_what_binder_builds(repository, artifacts):
    command = [sys.executable, ".ci/binder.py", "--quick", FIRST]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((artifacts / "binder.json").read_text())
    [first] = record["notebooks"]
    assert (first["notebook"], first["ended"]) == (FIRST, "passed")
    assert record["server_mib"] < first["peak_mib"] < LIMIT_MIB
    assert record["cpu_seconds_to_first_output"] < CPU_SECONDS
    assert record["cpu_seconds_to_first_live_curve"] < CPU_SECONDS
