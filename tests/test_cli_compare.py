"""`tts-lab compare`: from a command line to a report, stopped and gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tts_lab.bank import Bank
from tts_lab.cli import main


def command(out: Path, **options: str) -> list[str]:
    given = {
        "policy": "27k",
        "prm": "exact",
        "problems": "chains:1:20",
        "budgets": "2,4",
        "strategies": "best_of_n,majority,beam",
        "out": str(out),
    } | options
    flags = ((f"--{key.replace('_', '-')}", value) for key, value in given.items())
    return ["compare", *(word for pair in flags for word in pair)]


def test_a_report_is_written_and_a_second_run_draws_nothing(tmp_path, capsys):
    assert main(command(tmp_path)) == 0
    said = capsys.readouterr()
    assert "best_of_n, n = 4: 20 of 20 problems" in said.err
    assert "n = 4: " in said.out and "report.md" in said.out
    first = json.loads((tmp_path / "report.json").read_text())
    assert [one["strategy"] for one in first["results"]][:3] == [
        "best_of_n", "majority", "beam",
    ]  # fmt: skip
    with Bank(tmp_path / "bank.sqlite", read_only=True) as bank:
        rows = bank.stats().rows
    assert rows > 0
    assert main(command(tmp_path)) == 0
    with Bank(tmp_path / "bank.sqlite", read_only=True) as bank:
        assert bank.stats().rows == rows
    again = json.loads((tmp_path / "report.json").read_text())
    for one, other in zip(first["results"], again["results"], strict=True):
        assert (one["right"], one["flops"]) == (other["right"], other["flops"])


@pytest.mark.skipif(os.name != "posix", reason="the system is not POSIX")
def test_ctrl_c_keeps_what_was_sampled(tmp_path):
    arguments = command(tmp_path, policy="1.5m", problems="chains:8:100",
                        budgets="2,512", strategies="best_of_n")  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "tts_lab.cli", *arguments],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:  # until the first budget is done
        if line.startswith("best_of_n, n = 2: 100"):
            break
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 130, error
    assert "the same command again goes on from there" in error
    assert "**Broken off**" in (tmp_path / "report.md").read_text()
    stored = json.loads((tmp_path / "report.json").read_text())
    assert [one["n"] for one in stored["results"]] == [2] and not stored["complete"]
    with Bank(tmp_path / "bank.sqlite", read_only=True) as bank:
        assert bank.stats().rows >= 200


def test_an_endpoint_that_dies_loses_nothing(tmp_path, capsys, monkeypatch):
    from fake_endpoint import FakeEndpoint

    from tts_lab.proposers.server import Server

    monkeypatch.setitem(Server.__init__.__kwdefaults__, "attempts", 2)
    options = {"budgets": "8", "strategies": "best_of_n", "out": str(tmp_path)}
    with FakeEndpoint() as fake:
        fake.dies_after = 60
        assert main(command(policy=fake.url, **options)) == 2
    said = capsys.readouterr().err
    assert "the same command again goes on from there" in said
    with Bank(tmp_path / "bank.sqlite", read_only=True) as bank:
        kept = bank.stats().rows
    assert 0 < kept < 160
    with FakeEndpoint() as again:
        assert main(command(policy=again.url, **options)) == 0
        assert again.rows_finished == 160 - kept
    with Bank(tmp_path / "bank.sqlite", read_only=True) as bank:
        assert bank.stats().rows == 160
    assert json.loads((tmp_path / "report.json").read_text())["complete"]


def test_one_of_two_endpoints_dies_and_that_is_told(tmp_path, capsys):
    from fake_endpoint import FakeEndpoint

    options = {"budgets": "8", "strategies": "best_of_n", "out": str(tmp_path)}
    with FakeEndpoint(seconds_per_token=0.001) as stays, FakeEndpoint() as dies:
        dies.dies_after = 20
        policy = f"{stays.url},{dies.url}"
        assert main(command(policy=policy, **options)) == 0
        assert stays.rows_finished + 20 >= 160
    root = dies.url.removesuffix("/v1")
    assert f"1 of 2 servers answers, not {root}" in capsys.readouterr().err
    assert f"{root}: " in (tmp_path / "report.md").read_text()
    with Bank(tmp_path / "bank.sqlite", read_only=True) as bank:
        assert bank.stats().rows == 160


@pytest.mark.hf
def test_words_a_chat_model_and_a_public_prm(tmp_path):
    pytest.importorskip("transformers")
    pytest.importorskip("math_verify")
    import prm_models

    policy = prm_models.rlhflow(tmp_path / "policy")
    prm = prm_models.make("qwen2.5-math-prm", tmp_path)
    problems = tmp_path / "mine.jsonl"
    lines = [{"problem": f"What is {i}+1?", "answer": str(i + 1)} for i in range(3)]
    problems.write_text("\n".join(map(json.dumps, lines)))
    status = main(
        command(tmp_path / "out", policy=str(policy), prm=str(prm), budgets="2",
                problems=str(problems), max_tokens="12",
                strategies="best_of_n,dvts")
    )  # fmt: skip
    assert status == 0
    stored = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [one["strategy"] for one in stored["results"]] == ["best_of_n", "dvts"]
    assert all(min(one["tokens"]) > 0 for one in stored["results"])


@pytest.mark.hf
def test_steps_that_the_prm_does_not_know_are_refused_before_sampling(tmp_path, capsys):
    pytest.importorskip("transformers")
    import prm_models

    prm = prm_models.make("qwen2.5-math-prm", tmp_path)
    assert main(command(tmp_path / "out", prm=str(prm))) == 2
    said = capsys.readouterr().err
    assert "steps of 'chains:" in said and "delimiter='\\n\\n'" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "quoted", "accepted"),
    [
        ({"strategies": "beem"}, "'beem'", "best_of_n"),
        ({"budgets": "4,x"}, "'4,x'", "4,16,64"),
        ({"problems": "chains:hard"}, "'chains:hard'", "chains:5"),
        ({"problems": "chains:99"}, "99", "[1, 2"),
        ({"problems": "none.jsonl"}, "none.jsonl", "jsonl"),
        ({"policy": "huge"}, "'huge'", "105k"),
        ({"prm": "huge"}, "'huge'", "prm-a"),
        ({"rule": "loudest"}, "'loudest'", "majority"),
        ({"policy": "http://127.0.0.1:9/v1"}, "127.0.0.1:9", "http://host:8000/v1"),
    ],
)
def test_bad_input_is_quoted(tmp_path, capsys, options, quoted, accepted):
    assert main(command(tmp_path / "out", **options)) == 2
    said = capsys.readouterr().err
    assert quoted in said and accepted in said and "Traceback" not in said
