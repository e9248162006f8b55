"""The command line: what it prints, and one clear line for bad input."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tts_lab.cli import main


def test_sample_prints_judged_traces_and_their_cost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["sample", "105k", "--problem", "47+38", "-n", "4"]) == 0
    out = capsys.readouterr().out
    assert out.count("47+38\n") >= 4
    right = out.count("✓ #85")
    assert f"{right} of 4 right" in out
    assert "tokens" in out and "FLOPs" in out


def test_the_same_seed_gives_the_same_samples(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def traces(seed: str) -> str:
        main(["sample", "27k", "--level", "5", "-n", "3", "--seed", seed])
        return capsys.readouterr().out.rpartition("\n\n")[0]

    assert traces("7") == traces("7") != traces("8")


@pytest.mark.parametrize(
    ("arguments", "quoted", "accepted"),
    [
        (["sample", "huge"], "'huge'", "105k"),
        (["sample", "105k", "--domain", "chess"], "'chess'", "countdown"),
        (["sample", "105k", "--level", "99"], "99", "[1, 2, 3"),
        (["sample", "105k", "--problem", "4+a"], "'4+a'", "numbers joined"),
        (["sample", "105k", "-n", "0"], "0", "1"),
        (["sample", "105k", "--temperature", "-1"], "-1", "0"),
        (["train", "tiny"], "'tiny'", "105k"),
    ],
)
def test_bad_input_is_quoted_with_what_is_accepted(
    arguments: list[str],
    quoted: str,
    accepted: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if arguments[0] == "train":
        pytest.importorskip("torch")
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert quoted in error and accepted in error
    assert "Traceback" not in error


def test_a_folder_without_a_model_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sample", str(tmp_path)]) == 2
    assert "config.json" in capsys.readouterr().err


def test_the_installed_command_answers() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tts_lab.cli", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip()
