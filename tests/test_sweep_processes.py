"""Sweeps whose processes die or are stopped, on full disks and small terminals."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading

import pytest
from fake_endpoint import FakeEndpoint
from sweeping import PLAN, SMALL, UNITS, files, results, toml

import tts_lab
from tts_lab.ladder import tokenizer
from tts_lab.sweeps import UnitsFailed
from tts_lab.sweeps.plan import parse
from tts_lab.sweeps.units import read_problems

pytest.importorskip("pyarrow")
pytest.importorskip("fsspec")
psutil = pytest.importorskip("psutil")
sweep = tts_lab.sweep


def workers() -> list[psutil.Process]:
    """Processes of this one that do units."""
    children = psutil.Process().children(recursive=True)
    return [one for one in children if "spawn_main" in " ".join(one.cmdline())]


def test_a_worker_that_is_killed_costs_nothing(whole_sweep, tmp_path):
    killed = []

    def fault(progress):
        if progress.done in (4, 20):
            victim = workers()[0]
            victim.kill()
            killed.append(victim.pid)

    swept = sweep(PLAN, tmp_path / "out", workers=2, on_progress=fault)
    assert len(set(killed)) == 2
    assert swept.complete and swept.done == UNITS
    assert files(tmp_path / "out") == files(whole_sweep)
    assert results(tmp_path / "out") == results(whole_sweep)
    assert not workers()


class Deadly(FakeEndpoint):
    """Kills whoever asks about a certain problem."""

    victim = ""

    def write(self, ids, body):
        if self.victim and tokenizer.decode(bytes(ids[1:])).startswith(self.victim):
            for one in workers():
                one.kill()
        return super().write(ids, body)


def test_a_unit_that_kills_its_worker_is_named_and_all_others_are_done(tmp_path):
    pytest.importorskip("httpx")
    with Deadly() as fake:
        policy = {"spec": fake.url, "name": "served"}
        plan = SMALL | {"policies": [policy], "budgets": [2]}  # 3 units
        sweep(plan, tmp_path / "whole", workers=1)
        fake.victim = read_problems(parse(plan))[5].prompt
        with pytest.raises(UnitsFailed, match="its worker process died") as error:
            sweep(plan, tmp_path / "out", workers=2)
        fake.victim = ""
        [failed] = error.value.failed
        assert "/budget=2/seed=0/000004-" in failed.unit
        assert len(files(tmp_path / "out")) == 2
        assert sweep(plan, tmp_path / "out", workers=1, resume=True).done == 1
    assert files(tmp_path / "out") == files(tmp_path / "whole")


@pytest.mark.skipif(shutil.which("unshare") is None, reason="no small disk here")
def test_a_full_disk_keeps_what_was_done(whole_sweep, tmp_path):
    plan, copy = tmp_path / "plan.toml", tmp_path / "copy"
    plan.write_text(toml(PLAN))
    sweep_it = (
        f"{shlex.quote(sys.executable)} -m tts_lab.cli sweep {plan} --out /mnt/out"
    )
    script = (
        "mount -t tmpfs -o size=400k none /mnt || exit 77\n"
        f"{sweep_it} --workers 2; echo ended with $? >&2\n"
        f"mount -o remount,size=9m /mnt; {sweep_it} --workers 1 --resume\n"
        f"cp -r /mnt/out {copy}"
    )
    words = ["unshare", "--mount", *(["-r"] if os.geteuid() else []), "sh", "-c"]
    ended = subprocess.run([*words, script], capture_output=True, text=True)
    if ended.returncode == 77 or "unshare:" in ended.stderr:
        pytest.skip("a small disk cannot be mounted here")
    first, _, second = ended.stderr.partition("ended with 2")
    assert "No space left on device" in first and "Traceback" not in first
    done = re.search(r"(\d+) of 36 units are in '/mnt/out'", first)
    assert done and 0 < int(done[1]) < UNITS
    assert "Traceback" not in second and ended.returncode == 0
    skipped = re.search(r"(\d+) were done before", ended.stdout)
    assert skipped and int(skipped[1]) >= int(done[1])
    assert files(copy) == files(whole_sweep)


def test_a_log_gets_few_lines_and_a_terminal_one_that_does_not_wrap(tmp_path):
    plan = tmp_path / "plan.toml"
    plan.write_text(toml(SMALL | {"budgets": [1, 2, 3, 4], "chunk": 1}))
    code = "import sys; from tts_lab.cli import main; sys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", code, "sweep", str(plan), "--workers", "1", "--out"]
    quiet = subprocess.run(
        [*words, str(tmp_path / "a")], capture_output=True, text=True
    )
    assert quiet.returncode == 0 and len(quiet.stderr.splitlines()) < 9  # of 36 units
    assert "36/36 units" in quiet.stderr and "\r" not in quiet.stderr
    if os.name != "posix":
        return
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 50, 0, 0))
    process = subprocess.Popen(
        [*words, str(tmp_path / "b")], stderr=theirs, stdout=subprocess.PIPE
    )
    os.close(theirs)
    shown = bytearray()
    reader = threading.Thread(target=drain, args=(ours, shown))
    reader.start()
    process.communicate(timeout=300)
    reader.join()
    os.close(ours)
    lines = re.split(r"\r\x1b\[K|\r?\n", shown.decode())
    assert any("36/36 units" in line for line in lines)
    assert max(map(len, lines)) < 50


def drain(descriptor: int, into: bytearray) -> None:
    """Read until the other side of a terminal is closed."""
    try:
        while data := os.read(descriptor, 4096):
            into += data
    except OSError:  # how Linux says so
        pass


@pytest.mark.skipif(os.name != "posix", reason="the system is not POSIX")
def test_ctrl_c_in_a_terminal_reaches_no_worker(tmp_path):
    """A terminal sends it to all processes, also to those that only start."""
    plan, out = tmp_path / "plan.toml", tmp_path / "out"
    plan.write_text(toml(PLAN | {"budgets": [64]}))
    process = subprocess.Popen(
        [sys.executable, "-m", "tts_lab.cli", "sweep", str(plan), "--out", str(out),
         "--workers", "2"],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    parent = psutil.Process(process.pid)
    while not any("spawn_main" in " ".join(c.cmdline()) for c in parent.children()):
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130 and "--resume goes on" in said
    assert "Traceback" not in said
