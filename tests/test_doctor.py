"""Each common failure is brought about, found, and its cure named."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from tts_lab import doctor, scoreboard, troubles
from tts_lab.cli import main
from tts_lab.ladder import compiled
from tts_lab.scoreboard import Verdict

NOWHERE = f"{os.devnull}/nowhere"  # below a file nobody can make a folder, even root
TROUBLESHOOTING = Path(__file__).parents[1] / "docs" / "troubleshooting.md"


def of(findings: list[troubles.Finding], what: str) -> troubles.Finding:
    [found] = [finding for finding in findings if finding.what == what]
    return found


def test_this_machine_passes_and_the_report_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = main(["doctor"])
    out = capsys.readouterr().out
    marked = [line for line in out.splitlines() if line.startswith("!")]
    assert status == int(bool(marked))
    assert ("No problem found" in out) == (not marked)
    assert re.search(r"engine +(compiled; rung 27k wrote [\d,]+ tokens|not comp)", out)


def test_trouble_is_counted_marked_and_the_status(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        doctor,
        "examine",
        lambda: [
            troubles.Finding("a", "bad", "mend a", True),
            troubles.Finding("b", "absent", "an offer"),
            troubles.Finding("c", "worse", "mend c", True),
        ],
    )
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "!  a  bad\n      -> mend a\n   b  absent\n      -> an offer\n" in out
    assert "2 problems" in out


def test_doctor_names_what_a_missing_backend_needs() -> None:
    findings = {finding.what: finding for finding in doctor.examine()}
    assert findings["rungs"].need == ""
    assert {"Python", "cores", "engine", "torch", "vllm"} <= findings.keys()
    for name in ("torch", "transformers", "vllm", "jupyterlab"):
        missing = findings[name].found == "not installed"
        assert missing == (' -m pip install "tts-lab[' in findings[name].need)


@pytest.mark.parametrize("version", [(3, 10, 2), (3, 14, 0), (2, 7, 18)])
def test_another_python(version: tuple[int, ...]) -> None:
    found = troubles.interpreter(version)
    assert found.trouble and "3.11, 3.12 or 3.13" in found.need
    assert not troubles.interpreter((3, 12, 1)).trouble


@pytest.mark.parametrize(
    ("name", "version", "bound"),
    [
        ("ipywidgets", "7.7.1", ">=8.1.9"),
        ("numpy", "1.26.4", ">=2.0"),
        ("ipykernel", "7.0.0", "!=7.0.0"),
        ("jupyterlab", "3.6.8", ">=4.4"),
    ],
)
def test_old_packages(name: str, version: str, bound: str) -> None:
    def installed(asked: str) -> str:
        return version if asked == name else metadata.version(asked)

    found = of(troubles.packages(installed), name)
    assert found.trouble and found.found == f"{version}, unfit"
    assert bound in found.need and "restart the kernel" in found.need
    assert not of(troubles.packages(), name).trouble


def test_missing_packages() -> None:
    def installed(asked: str) -> str:
        raise metadata.PackageNotFoundError(asked)

    found = troubles.packages(installed)
    assert of(found, "numpy").trouble
    lab = of(found, "jupyterlab")
    assert not lab.trouble and 'pip install "tts-lab[lab]"' in lab.need


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    found = troubles.writable("cache", Path(NOWHERE), cure="choose another")
    assert found.trouble and found.need == "choose another"
    assert NOWHERE in found.found and "cannot be written" in found.found
    fine = troubles.writable("cache", tmp_path / "not" / "yet", cure="")
    assert not fine.trouble and not (tmp_path / "not").exists()


def test_a_folder_that_may_not_be_entered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a home of somebody else is; root may enter all, so the system says no."""
    (tmp_path / "closed").mkdir()
    below = str(tmp_path / "closed" / "x")[:-1]

    def refuse(name: str, real: Any) -> None:
        def guarded(path: Any, *rest: Any, **options: Any) -> Any:
            asked = "" if isinstance(path, int) else os.fspath(path)
            # a file without a name is opened in the folder itself
            if asked.startswith(below) or (name == "open" and asked + os.sep == below):
                raise PermissionError(13, "Permission denied", path)
            return real(path, *rest, **options)

        monkeypatch.setattr(os, name, guarded)

    refuse("stat", os.stat)
    refuse("mkdir", os.mkdir)
    refuse("scandir", os.scandir)
    refuse("open", os.open)
    inside = Path(below) / "cache" / "kernels"
    with pytest.raises(PermissionError):
        inside.exists()
    monkeypatch.setattr(compiled, "folder", lambda: inside)
    assert not compiled.can_keep() and not compiled.is_cached()
    found = troubles.writable("cache", inside, cure="choose another")
    assert found.trouble and "Permission denied" in found.found
    assert of(doctor.examine(), "engine").found == "compiled at every start"


def test_a_read_only_folder_with_machine_code_is_no_cache(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """numba wants to write there too, and would compile in silence."""
    monkeypatch.setattr(compiled, "folder", lambda: Path(NOWHERE))
    monkeypatch.setattr(compiled, "is_cached", lambda: True)
    monkeypatch.setattr(compiled, "_warm", False)
    monkeypatch.setattr(compiled, "_compile", lambda: None)
    said: list[str] = []
    compiled.ensure(said.append)
    assert "at every start" in said[0]


def test_one_look_that_fails_leaves_the_others(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> Path:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(Path, "cwd", gone)
    monkeypatch.setattr("tempfile.gettempdir", gone)
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert re.search(r"!  this folder +cannot be looked at: FileNotFoundError", out)
    assert re.search(r"!  temporary +no folder can be written\n +-> .*TMPDIR", out)
    assert "GPU" in out


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(troubles, "MEGABYTES_FREE", 10**9)
    found = troubles.writable("cache", tmp_path, cure="")
    assert found.trouble and "make room" in found.need


def test_a_taken_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        found = troubles.port(number)
        assert "taken" in found.found and "--port=" in found.need
    assert troubles.port(number).found == "free"


@pytest.mark.parametrize("name", ["HTTP_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("address", ["http://u:secret@proxy:3128", "proxy:3128"])
def test_a_proxy_before_oneself(name: str, address: str) -> None:
    found = troubles.proxy({name: address})
    assert found.trouble and "NO_PROXY=localhost,127.0.0.1" in found.need
    assert found.found.startswith("proxy:3128") and "secret" not in str(found)
    assert troubles.proxy({name: address, "NO_PROXY": "localhost"}).trouble
    broken = troubles.proxy({name: "http://me:p/ss#1@proxy"})
    assert broken.found.startswith("proxy,") and "ss" not in broken.found
    odd = troubles.proxy({name: "http://me:secret#proxy 1"})
    assert odd.found.startswith("set, but no address") and "secret" not in str(odd)
    for bypass in ("localhost,127.0.0.1", "*"):
        assert not troubles.proxy({name: address, "no_proxy": bypass}).trouble
    assert troubles.proxy({name: ""}).found == "none"


def test_a_kernel_of_another_environment() -> None:
    here = "/home/me/.venv/bin/python"
    found = troubles.same_environment("/usr/bin/python3", here)
    assert found.trouble and here in found.need
    assert not troubles.same_environment("python", here).trouble
    assert not troubles.same_environment("/home/me/.venv/bin/python3", here).trouble


def test_paths_are_shortened_at_folders_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.setenv("USERPROFILE", "/home/ann")
    assert troubles.short(Path("/home/ann/x")) == str(Path("~/x"))
    assert troubles.short(Path("/home/anna/x")) == str(Path("/home/anna/x"))
    monkeypatch.setenv("HOME", "/")
    monkeypatch.setenv("USERPROFILE", "/")
    assert troubles.short(Path("/usr/bin")) == str(Path("/usr/bin"))


def test_little_memory() -> None:
    assert troubles.memory(10**8).trouble
    assert not troubles.memory(10**9).trouble
    assert not troubles.memory(None).trouble


def test_an_engine_not_compiled_and_missing_rungs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "folder", lambda: tmp_path)
    monkeypatch.setattr("tts_lab.ladder.path", lambda name: tmp_path / name)
    found = doctor.examine()
    assert "tts-lab warmup" in of(found, "engine").need
    assert of(found, "rungs").trouble


def test_without_a_cache_folder_the_engine_compiles_in_memory() -> None:
    """It says so, and samples all the same."""
    script = (
        "from tts_lab.ladder import compiled\n"
        "assert not compiled.can_keep()\n"
        "from tts_lab.ladder import decode\n"
        "print(type(decode.advance._cache).__name__)\n"
    )
    environment = os.environ | {
        "XDG_CACHE_HOME": NOWHERE,
        "HOME": NOWHERE,
        "LOCALAPPDATA": NOWHERE,
    }
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "NullCache"


def test_a_compilation_that_cannot_be_kept_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compiled, "folder", lambda: Path(NOWHERE))
    monkeypatch.setattr(compiled, "_warm", False)
    monkeypatch.setattr(compiled, "_compile", lambda: None)
    said: list[str] = []
    compiled.ensure(said.append)
    assert NOWHERE in said[0] and "tts-lab doctor" in said[0]


def test_a_verdict_that_cannot_be_kept_still_stands() -> None:
    verdict = Verdict("M1", "x", 1.0, 0.5, 1.5, 0.0, True, 1, 1, 0, "none")
    with pytest.warns(UserWarning, match="M1 is not kept.*tts-lab doctor"):
        assert scoreboard.record(verdict, where=Path(NOWHERE)) is verdict


def test_the_page_knows_every_line_that_can_be_marked() -> None:
    """A reader who searches the page for a word of the report finds it."""
    page = TROUBLESHOOTING.read_text()
    found = doctor.examine()
    words = {finding.what.split()[0] for finding in found}
    optional = {"tts-lab", "cores", "GPU", *doctor._EXTRAS}
    bounded = {found.what for found in troubles.packages()} - {"ipywidgets"}
    for word in sorted(words - optional - bounded):
        assert f"`{word}" in page, f"{word}: not explained"
