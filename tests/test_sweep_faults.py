"""Sweeps whose units, models or files fail: what is kept, and what is said."""

from __future__ import annotations

import os
import shutil
from collections import Counter

import pytest
from fake_endpoint import FakeEndpoint
from sweeping import PLAN, SMALL, UNITS, files, results, toml

import tts_lab
import tts_lab.sweeps
from tts_lab.bank import Bank
from tts_lab.cli import main
from tts_lab.compare import WAYS
from tts_lab.proposers.scripted import Scripted
from tts_lab.sweeps import UnitsFailed
from tts_lab.sweeps.merge import into_bank
from tts_lab.sweeps.on_ray import places
from tts_lab.sweeps.plan import parse
from tts_lab.sweeps.store import Store, SweepError
from tts_lab.sweeps.tasks import Failed, Queue, attempt
from tts_lab.sweeps.units import read_problems, units
from tts_lab.sweeps.work import Worker

pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("fsspec")

sweep = tts_lab.sweep


def test_an_endpoint_that_dies_fails_its_units_and_no_others(
    tmp_path, capsys, monkeypatch
):
    pytest.importorskip("httpx")
    monkeypatch.setattr("tts_lab.proposers.endpoint_errors._jitter", Hurried)
    plan, out = tmp_path / "plan.toml", tmp_path / "out"
    with FakeEndpoint() as fake:
        given = PLAN | {"strategies": ["best_of_n"]}
        served = [{"spec": fake.url, "name": "served"}, "27k"]
        healthy = tmp_path / "healthy"
        sweep(given | {"policies": served}, healthy, workers=1)
        rows = fake.rows_finished
        plan.write_text(
            f'policies = [{{ spec = "{fake.url}", name = "served" }}, "27k"]\n'
            + toml({key: given[key] for key in given if key != "policies"})
        )
        fake.dies_after = rows + 17  # in the third of twelve units
        command = ["sweep", str(plan), "--out", str(out), "--workers", "1"]
        assert main(command) == 2
        said = capsys.readouterr().err
        assert "3 units failed" in said and "EndpointError" in said
        assert "policy=served/verifier=exact/strategy=best_of_n/budget=2" in said
        assert "7 more of policy 'served' with verifier 'exact' were not tried" in said
        assert f"14 of 24 units are in '{out}'" in said and "--resume" in said
        mine = {k: v for k, v in files(out).items() if "policy=27k" in k}
        assert len(mine) == 12 and mine.items() <= files(healthy).items()
        fake.dies_after = None
        assert main([*command, "--resume"]) == 0
    assert files(out) == files(healthy)


class Hurried:
    """Random numbers that make no pause between attempts."""

    uniform = staticmethod(lambda low, high: 0.0)


def test_a_strategy_that_raises_is_named_with_its_problem(
    whole_sweep, tmp_path, monkeypatch
):
    bad = read_problems(parse(PLAN))[7].prompt

    def touchy(problem, *, n):
        if problem.prompt == bad:
            raise LookupError("no such thing")
        return (yield from WAYS["best_of_n"].strategy(problem, n=n))

    way = WAYS["majority"]._replace(strategy=touchy)
    with monkeypatch.context() as patch:
        patch.setitem(WAYS, "majority", way)
        with pytest.raises(UnitsFailed) as error:
            sweep(PLAN, tmp_path, workers=1)
    assert len(error.value.failed) == 4 and not error.value.untried  # budgets, seeds
    for one in error.value.failed:
        assert "strategy=majority" in one.unit and "/000004-" in one.unit
        assert one.why.startswith("LookupError: no such thing; ")
        assert repr(bad)[1:9] in one.why
    assert len(files(tmp_path)) == UNITS - 4
    assert sweep(PLAN, tmp_path, workers=1, resume=True).done == 4
    assert files(tmp_path) == files(whole_sweep)


def test_models_that_fail_again_and_again_are_left_alone():
    plan = parse(PLAN | {"policies": ["27k", "105k"]})
    every = units(plan, read_problems(plan))
    queue = Queue(every, patience=3)
    given = Counter()
    for number, unit in enumerate(queue):
        given[unit.policy.name] += 1
        if unit.policy.name == "27k" and number != 2:  # the third works
            queue.note(unit, Failed.of(unit, "it is broken"))
        else:
            queue.note(unit, None)
    assert given == {"27k": 6, "105k": UNITS}
    assert queue.untried == {("27k", "exact"): UNITS - 6} and len(queue.failed) == 5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"policies": ["28k"]}, "'28k' is nothing that can be opened; accepted are"),
        ({"verifiers": ["exact", "nobody"]}, "'nobody' is nothing that can be opened"),
        ({"problems": ["chains:99:5"]}, "99"),
        ({"problems": ["chains:5:x"]}, "'chains:5:x'; accepted is"),
        ({"problems": ["no.jsonl"]}, "no.jsonl"),
        ({"policies": [{"spec": "27k", "backend": "tpu"}]}, "backend 'tpu' is unknown"),
    ],
)
def test_what_cannot_be_opened_is_said_before_anything_runs(
    tmp_path, capsys, change, words
):
    table = dict(PLAN | change)
    policy = table["policies"][0]
    text = toml(table)
    if isinstance(policy, dict):
        text = text.replace(repr(policy), '{ spec = "27k", backend = "tpu" }')
    (tmp_path / "plan.toml").write_text(text)
    out = tmp_path / "out"
    assert main(["sweep", str(tmp_path / "plan.toml"), "--out", str(out)]) == 2
    assert words in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.skipif(os.name != "posix", reason="the system has no such locks")
def test_two_sweeps_at_once_do_not_mix(whole_sweep, tmp_path):
    seen = []

    def second(progress):
        if progress.done == 1:
            with pytest.raises(SweepError, match="another sweep is writing to"):
                sweep(PLAN, tmp_path, workers=1, resume=True)
            with pytest.raises(SweepError, match="another sweep is writing to"):
                sweep(SMALL, tmp_path, workers=1)
            seen.append(progress)

    assert sweep(PLAN, tmp_path, workers=1, on_progress=second).complete
    assert seen and files(tmp_path) == files(whole_sweep)


def test_the_later_of_two_plans_for_one_url_is_refused():
    first, second = ({"hash": one, "schema": 1, "plan": {"seeds": one}} for one in "ab")

    class Slow(Store):
        """Another process writes its plan while this one looks."""

        def _write(self, name, data):
            super()._write(name, data)
            Store("memory://both")._write(name, b'{"hash": "b", "schema": 1}')

    with pytest.raises(SweepError, match="of another plan: seeds differs"):
        Slow("memory://both").begin(first, resume=False)
    Store("memory://both").begin(second, resume=True)
    Store("memory://both").fs.rm("/both", recursive=True)


def test_what_is_damaged_or_half_written_is_done_again(whole_sweep, tmp_path):
    shutil.copytree(whole_sweep, tmp_path / "out")
    tables = sorted((tmp_path / "out" / "results").rglob("*.parquet"))
    tables[3].write_bytes(tables[3].read_bytes()[:-9])
    tables[7].unlink()
    part = tables[3].with_name(f".{tables[3].name}.0123.part")
    part.write_bytes(b"PAR1")
    swept = sweep(PLAN, tmp_path / "out", workers=1, resume=True)
    assert (swept.done, swept.skipped) == (2, UNITS - 2)
    assert files(tmp_path / "out") == files(whole_sweep)
    assert results(tmp_path / "out") == results(whole_sweep)
    assert not part.exists()


def test_files_of_another_plan_are_not_taken_for_its_own(whole_sweep, tmp_path):
    sweep(SMALL, tmp_path / "out", workers=1)
    shutil.copytree(
        whole_sweep / "results", tmp_path / "out" / "results", dirs_exist_ok=True
    )
    with pytest.raises(SweepError, match="is of a sweep of another plan"):
        sweep(SMALL, tmp_path / "out", workers=1, resume=True)


def test_a_text_that_is_no_unicode_is_kept_exactly(tmp_path, monkeypatch):
    lost = "#1" + chr(0xD83D)
    policy = Scripted(lambda prompt, text, row, stream: "#2" if row else lost)
    monkeypatch.setattr("tts_lab.sweeps.work.open_policy", lambda *_, **__: policy)
    sweep(SMALL, tmp_path / "out", workers=1)
    rows = pq.read_table(tmp_path / "out" / "samples").to_pylist()
    assert {row["text"] for row in rows} == {"#2", "#1�"}
    assert {row["raw"] for row in rows} == {None, b"#1\xed\xa0\xbd"}
    with Bank(tmp_path / "bank.sqlite") as bank:
        into_bank(tmp_path / "out", bank)
        for row in rows:
            [text] = bank.get(row["key"], range(row["row"], row["row"] + 1)).text
            assert text == ("#2" if row["row"] else lost)


@pytest.mark.parametrize(
    ("cluster", "given", "expected"),
    [
        ({"CPU": 8.0}, {"light": True}, (8, 1, 0, False)),
        ({"CPU": 8.0}, {"light": True, "actors": 3}, (3, 1, 0, False)),
        ({"CPU": 8.0, "GPU": 4.0}, {"light": True}, (8, 1, 0, False)),
        ({"CPU": 8.0, "GPU": 4.0}, {"light": False}, (4, 0, 1, False)),
        ({"CPU": 8.0, "GPU": 4.0}, {"light": False, "gpus": 0.5}, (8, 0, 0.5, False)),
        ({"CPU": 8.0, "GPU": 4.0}, {"light": False, "gpus": 2}, (2, 0, 2, False)),
        ({"CPU": 8.0, "GPU": 4.0}, {"light": False, "gpus": 0}, (2, 1, 0, True)),
        ({"CPU": 8.0}, {"light": False}, (2, 1, 0, True)),  # one of all cores a node
        ({}, {"light": True}, (1, 1, 0, False)),  # an autoscaler may bring some
        ({}, {"light": False, "gpus": 1, "actors": 64}, (64, 0, 1, False)),
    ],
)
def test_what_an_actor_asks_of_a_cluster(cluster, given, expected):
    options = {"gpus": None, "actors": None} | given
    assert places(cluster, 2, **options) == expected


def test_gpus_that_are_not_there_are_an_error():
    with pytest.raises(SweepError, match=r"--gpus 1: the cluster has 0 GPUs"):
        places({"CPU": 8.0}, 2, light=False, gpus=1, actors=None)


def test_models_of_vllm_are_not_light_and_are_opened_as_such(monkeypatch):
    model = {"spec": "owner/name", "name": "big", "backend": "vllm", "format": "plain"}
    plan = parse(PLAN | {"policies": [model]})
    assert tts_lab.sweeps._light(plan, "auto") is False
    served = parse(PLAN | {"policies": ["http://localhost:1/v1", "27k"]})
    assert tts_lab.sweeps._light(served, "auto") is True
    opened = []

    def record(spec, **options):
        opened.append((spec, options["backend"], options["format"]))
        return Scripted({})

    monkeypatch.setattr("tts_lab.sweeps.work.open_policy", record)
    told = attempt(Worker("a plan"), units(plan, read_problems(plan))[0])
    assert isinstance(told, Failed)  # its script is empty
    assert opened == [("owner/name", "vllm", "plain")]
