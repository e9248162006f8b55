"""Sweeps on this machine: the tables, workers, stops, kills, resuming, merging."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from functools import partial
from threading import Event

import numpy as np
import pytest
from sweeping import PLAN, UNITS, files, results, toml

import tts_lab
from tts_lab import ladder
from tts_lab.bank import Bank
from tts_lab.cli import main
from tts_lab.problems import domain, evaluation_set
from tts_lab.run import run
from tts_lab.strategies import repeated_sampling
from tts_lab.sweeps import UnitsFailed
from tts_lab.verifiers.exact import Exact

pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("fsspec")
sweep = tts_lab.sweep


def test_samples_are_those_of_a_plain_run(whole_sweep):
    folder = (
        whole_sweep
        / "samples/policy=27k/verifier=exact/strategy=best_of_n/budget=4/seed=7"
    )
    table = pq.ParquetDataset(folder).read().to_pylist()
    some = evaluation_set("chains", 1, 6) + evaluation_set("countdown", 1, 3)
    outcomes = run(partial(repeated_sampling, n=4), some, verifier=Exact(), seed=7,
                   proposer=ladder.load("27k"))  # fmt: skip
    expected = [
        (i, row, trace.text, trace.tokens, trace.logprob, score, bool(score))
        for i, one in enumerate(outcomes)
        for row, (trace, score) in enumerate(one.value)
    ]
    names = ("problem", "row", "text", "tokens", "logprob", "score", "right")
    found = sorted(tuple(row[name] for name in names) for row in table)
    assert found == sorted(expected)


def test_results_are_judged_and_paid(whole_sweep):
    for row in pq.read_table(whole_sweep / "results").to_pylist():
        own = {k: row[k] for k in ("strategy", "budget", "seed", "problem")}
        filters = [(key, "=", value) for key, value in own.items()]
        drawn = pq.read_table(whole_sweep / "samples", filters=filters).to_pylist()
        assert row["samples"] == len(drawn)
        assert row["generated_tokens"] == sum(one["tokens"] for one in drawn)
        assert row["flops"] == 2 * 27_296 * row["generated_tokens"]
        assert row["covered"] == any(one["right"] for one in drawn)
        if row["right"]:
            assert row["covered"] and row["answer"]


def test_a_search_keeps_its_steps_and_what_they_continue(whole_sweep):
    table = pq.read_table(whole_sweep / "samples", filters=[("strategy", "=", "beam")])
    rows = table.to_pylist()
    assert any(row["prefix"] for row in rows)
    chains = evaluation_set("chains", 1, 6)
    for row in rows:
        assert row["finished"] == (row["right"] is not None)
        if row["finished"] and row["problem"] < 6:
            check = domain("chains").check
            whole_text = row["prefix"] + row["text"]
            assert check(chains[row["problem"]], whole_text) == row["right"]


def test_every_file_says_where_it_comes_from(whole_sweep):
    header = json.loads((whole_sweep / "plan.json").read_text())
    assert header["schema"] == 1 and header["units"] == UNITS
    for table in ("samples", "results"):
        for file in (whole_sweep / table).rglob("*.parquet"):
            told = json.loads(pq.read_schema(file).metadata[b"tts_lab"])
            assert told["plan"] == header["hash"] and told["unit"] == file.stem
            assert told["tts_lab"] == tts_lab.__version__ and told["schema"] == 1
            assert told["policy"]["fingerprint"] == ladder.load("27k").fingerprint
            assert f"seed={told['seed']}" in str(file)


def test_two_workers_write_the_same_bytes(whole_sweep, tmp_path):
    swept = sweep(PLAN, tmp_path / "two", workers=2)
    assert swept.complete and swept.worked > 0
    assert files(tmp_path / "two") == files(whole_sweep)
    assert results(tmp_path / "two") == results(whole_sweep)


def test_a_cancelled_sweep_goes_on_and_ends_the_same(whole_sweep, tmp_path):
    out, cancel, seen = tmp_path / "part", Event(), []

    def stop(progress):
        seen.append(progress.done)
        if progress.done == 5:
            cancel.set()

    part = sweep(PLAN, out, workers=1, on_progress=stop, cancel=cancel)
    assert (part.done, part.complete, seen) == (5, False, [0, 1, 2, 3, 4, 5])
    rest = sweep(PLAN, out, workers=1, resume=True)
    assert (rest.skipped, rest.done, rest.complete) == (5, UNITS - 5, True)
    assert files(out) == files(whole_sweep)
    again = sweep(PLAN, out, resume=True)
    assert (again.skipped, again.done, again.cost.samples) == (UNITS, 0, 0)
    assert again.whole == rest.whole == part.cost.plus(rest.cost)
    assert again.whole.samples == pq.read_table(out / "samples").num_rows


@pytest.mark.skipif(os.name != "posix", reason="the system is not POSIX")
@pytest.mark.parametrize("seed", [0, 1])
def test_a_killed_sweep_leaves_whole_units_and_nobody_behind(
    whole_sweep, tmp_path, seed
):
    plan, out = tmp_path / "plan.toml", tmp_path / "out"
    plan.write_text(toml(PLAN))
    process = subprocess.Popen(
        [sys.executable, "-m", "tts_lab.cli", "sweep", str(plan), "--out", str(out),
         "--workers", "2"],
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    wanted = random.Random(seed).randrange(1, UNITS - 8)
    while process.poll() is None and len(files(out, "results")) < wanted:
        time.sleep(0.002)
    process.kill()
    # the workers hold this pipe too: it ends when the last of them is gone
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    process.wait(60)
    left = files(out)
    assert left.items() <= files(whole_sweep).items()
    assert wanted <= len(files(out, "results")) < UNITS
    rest = sweep(PLAN, out, workers=1, resume=True)
    assert rest.complete and rest.skipped >= wanted
    assert files(out) == files(whole_sweep)
    assert results(out) == results(whole_sweep)


@pytest.mark.skipif(os.name != "posix", reason="the system is not POSIX")
def test_ctrl_c_ends_with_a_word_and_resume_goes_on(whole_sweep, tmp_path):
    plan, out = tmp_path / "plan.toml", tmp_path / "out"
    plan.write_text(toml(PLAN))
    process = subprocess.Popen(
        [sys.executable, "-m", "tts_lab.cli", "sweep", str(plan), "--out", str(out),
         "--workers", "1"],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    while process.poll() is None and not files(out, "results"):
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    said, error = process.communicate(timeout=120)
    assert process.returncode == 130, error
    assert "--resume goes on" in error and f"of {UNITS}" in said
    assert main(["sweep", str(plan), "--out", str(out), "--resume"]) == 0
    assert files(out) == files(whole_sweep)


def test_what_is_there_already_is_not_overwritten(whole_sweep, tmp_path, capsys):
    plan = tmp_path / "plan.toml"
    plan.write_text(toml(PLAN))
    before = files(whole_sweep)
    assert main(["sweep", str(plan), "--out", str(whole_sweep)]) == 2
    assert "holds a sweep already; --resume goes on" in capsys.readouterr().err
    plan.write_text(toml(PLAN | {"budgets": [2, 8]}))
    assert main(["sweep", str(plan), "--out", str(whole_sweep), "--resume"]) == 2
    assert "of another plan: budgets differs" in capsys.readouterr().err
    assert main(["sweep", str(plan), "--out", str(tmp_path)]) == 2
    assert "holds files that are no sweep" in capsys.readouterr().err
    assert files(whole_sweep) == before


def test_a_newer_sweep_and_a_broken_header_are_refused(tmp_path):
    header = tmp_path / "plan.json"
    for content, words in [
        ('{"schema": 99, "hash": "x"}', "newer tts-lab"),
        ('{"schema": 1', "no sweep's plan"),
        ("[" * 100_000, "no sweep's plan"),
    ]:
        header.write_text(content)
        with pytest.raises(OSError, match=words):
            sweep(PLAN, tmp_path, resume=True)


def test_a_model_that_changed_is_refused(tmp_path, monkeypatch):
    out, cancel = tmp_path / "part", Event()
    sweep(PLAN, out, workers=1, cancel=cancel, on_progress=lambda progress: (
        cancel.set() if progress.done else None))  # fmt: skip
    changed = ladder.load("27k")
    changed.fingerprint = "another"
    monkeypatch.setattr("tts_lab.sweeps.work.open_policy", lambda *_, **__: changed)
    with pytest.raises(UnitsFailed, match=r"policy '27k' has changed .* 'another'"):
        sweep(PLAN, out, workers=1, resume=True)


def test_another_file_system(whole_sweep):
    import fsspec

    sweep(PLAN, "memory://swept", workers=2)
    disk = fsspec.filesystem("memory")
    found = {
        path.removeprefix("/swept/"): disk.cat_file(path)
        for path in disk.find("/swept/samples")
    }
    assert found == files(whole_sweep)
    disk.rm("/swept", recursive=True)


def test_samples_merge_into_a_bank_that_other_runs_draw_from(
    whole_sweep, tmp_path, capsys
):
    path = tmp_path / "bank.sqlite"
    merge = ["import", str(whole_sweep), "--format", "sweep", "--bank", str(path)]
    assert main(merge) == 0
    first = capsys.readouterr().out
    distinct = {
        (row["key"], row["row"])
        for row in pq.read_table(whole_sweep / "samples").to_pylist()
    }
    assert f"{len(distinct):,} new" in first
    assert main(merge) == 0
    assert " 0 new" in capsys.readouterr().out
    some = evaluation_set("countdown", 1, 3)
    with Bank(path) as bank:
        assert bank.stats().rows == len(distinct)
        outcomes = run(partial(repeated_sampling, n=4), some, verifier=Exact(),
                       proposer=ladder.load("27k"), seed=7, bank=bank)  # fmt: skip
        assert bank.stats().rows == len(distinct)
    for one in outcomes:
        assert one.ledger.banked_tokens == one.ledger.generated_tokens > 0


def test_a_sweep_draws_from_a_bank_and_adds_to_it(whole_sweep, tmp_path):
    path = tmp_path / "bank.sqlite"
    sweep(PLAN, tmp_path / "first", workers=2, bank=path)
    with Bank(path) as bank:
        rows = bank.stats().rows
    assert files(tmp_path / "first") == files(whole_sweep)
    sweep(PLAN, tmp_path / "second", workers=1, bank=path)
    with Bank(path) as bank:
        assert bank.stats().rows == rows
    assert files(tmp_path / "second") == files(whole_sweep)


def test_damaged_files_and_folders_that_are_no_sweep_are_named(whole_sweep, tmp_path):
    from tts_lab.sweeps.merge import into_bank

    with Bank(tmp_path / "bank.sqlite") as bank:
        with pytest.raises(OSError, match=r"no plan\.json"):
            into_bank(tmp_path, bank)
        (tmp_path / "plan.json").write_bytes((whole_sweep / "plan.json").read_bytes())
        (tmp_path / "samples").mkdir()
        (tmp_path / "samples" / "x.parquet").write_bytes(b"PAR1 is not all")
        with pytest.raises(OSError, match=r"x\.parquet is damaged"):
            into_bank(tmp_path, bank)


def example(repository, language):
    """The one in docs/sweeps.md."""
    page = (repository / "docs" / "sweeps.md").read_text()
    [code] = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    return code


def test_pandas_reads_the_tables(whole_sweep, repository, capsys):
    pytest.importorskip("pandas")
    code = example(repository, "python").replace("runs/first", str(whole_sweep))
    exec(compile(code, "docs/sweeps.md", "exec"), {})
    rows = capsys.readouterr().out.splitlines()[2:]
    results = pq.read_table(whole_sweep / "results").to_pylist()
    right = [r["right"] for r in results if (r["strategy"], r["budget"]) == ("beam", 2)]
    assert len(rows) == 6
    assert rows[0].split()[:4] == ["27k", "beam", "2", f"{np.mean(right):.6f}"]


def test_duckdb_reads_the_tables(whole_sweep, repository):
    duckdb = pytest.importorskip("duckdb")
    code = example(repository, "sql").replace("runs/first", str(whole_sweep))
    found = {row[1:3]: row[3] for row in duckdb.sql(code).fetchall()}
    results = pq.read_table(whole_sweep / "results").to_pylist()
    right = [r["right"] for r in results if (r["strategy"], r["budget"]) == ("beam", 2)]
    assert len(found) == 6 and found["beam", 2] == pytest.approx(np.mean(right))
