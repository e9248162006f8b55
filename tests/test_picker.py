"""The model picker, and what the widgets do with it, without a front end."""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_endpoint import FakeEndpoint

from tts_lab import ladder, memory, opening
from tts_lab.formats import FORMATS
from tts_lab.proposers import Writing
from tts_lab.proposers.scripted import Scripted
from tts_lab.traces import Problem, Sampled, Scored, Trace
from tts_lab.verifiers.exact import Exact
from tts_lab.verifiers.scripted import Scripted as ScriptedVerifier
from tts_lab.widgets import CoverageExplorer, ModelPicker, StrategyLab, StrategyRace
from tts_lab.widgets.another import OTHER
from tts_lab.widgets.lab_settings import Settings
from tts_lab.widgets.tree import SearchTree
from tts_lab.widgets.tree_chart import svg
from tts_lab.widgets.writing import Pen, watched

SECONDS = 60
HOSTILE = '<img src=x onerror="alert(1)">&'


@pytest.fixture(autouse=True)
def no_thread_and_no_print_is_left(capfd: pytest.CaptureFixture) -> Iterator[None]:
    yield
    deadline = time.monotonic() + 15
    while left() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert left() == []
    assert capfd.readouterr() == ("", "")


def left() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith("tts-lab")]


@pytest.fixture
def picker() -> Iterator[ModelPicker]:
    made = ModelPicker()
    yield made
    made.close()
    assert made.wait(SECONDS)


def until(condition, seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def loaded(picker: ModelPicker, spec: object, **options) -> ModelPicker:
    picker.load(spec, **options)
    assert picker.wait(SECONDS)
    assert picker.status.phase == "done", picker.status.message
    return picker


def refused(picker: ModelPicker, spec: object, **options) -> str:
    """Why a model was not loaded, as the status line says it."""
    picker.load(spec, **options)
    assert picker.wait(SECONDS)
    assert picker.status.phase == "failed", picker.text()
    assert picker.controls.load.disabled is False
    return picker.text().splitlines()[0]


def changed(folder: Path, **config) -> Path:
    """A rung's folder with another config."""
    shutil.copytree(ladder.path("105k"), folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    return folder


# Loading


def test_a_rung_is_loaded_by_its_button(picker):
    assert picker.wait(SECONDS)
    assert "Choose a model and press Load." in picker.status_line.value
    assert "of memory free" in picker.machine.value
    picker.controls.found.value = "380k"
    assert picker.wait(SECONDS)
    assert 'aria-label="Fits: needs about 1.5 MB of weights' in picker.memory.value
    picker.controls.load.click()
    assert picker.wait(SECONDS)
    assert picker.proposer.name == "380k" and picker.verifier is None
    assert "✓ loaded 380k (engine)" in picker.status_line.value
    for told in ("380,064", "256 tokens", "a line break", "47+38 → 47+38=85 #85"):
        assert told in picker.card.value and told in picker.text()
    assert picker.controls.cancel.disabled and not picker.controls.unload.disabled


def test_a_folder_and_an_endpoint_are_loaded_and_unloaded(picker, tmp_path):
    loaded(picker, changed(tmp_path / "mine"))
    assert picker.controls.kind.value == "folder"
    with FakeEndpoint() as fake:
        loaded(picker, fake.url)
        assert picker.controls.kind.value == "endpoint"
        assert [one.label for one in picker.loaded] == [
            "mine (engine)",
            "105k (server)",
        ]
        assert "nothing is loaded on this machine" in picker.memory.value
        picker.controls.unload.click()
        assert picker.wait(SECONDS)
    assert picker.proposer.name == "mine"
    assert "mine (engine) stays loaded." in picker.status_line.value
    picker.controls.unload.click()
    assert picker.wait(SECONDS)
    assert picker.proposer is None and picker.card.value == ""
    assert "Choose a model and press Load." in picker.status_line.value
    assert picker.controls.unload.disabled


@pytest.mark.hf
def test_a_rung_through_transformers(picker):
    loaded(picker, "105k", backend="transformers", format="plain")
    assert picker.loaded[0].label == "105k (transformers, plain)"
    facts = picker.text()
    assert "prompt format: plain, no chat template" in facts
    assert "runs on: CPU" in facts or "runs on: CUDA" in facts
    message = refused(picker, "105k", backend="transformers", format="gsm8k")
    assert "'Q' in '47+38\\n' is not in the vocabulary" in message
    message = refused(picker, "105k", backend="transformers", format="chat")
    assert "needs a chat template and '105k' has none" in message
    loaded(picker, "105k", backend="transformers")
    assert "tried: 47+38 → 47+38=85 #85" in picker.text()


def test_a_verifier_by_name_and_by_folder(tmp_path):
    picker = ModelPicker("verifier")
    loaded(picker, "prm-b")
    assert picker.verifier.name == "prm-b" and picker.proposer is None
    assert "scored 0." in picker.text() and "aggregation: last" in picker.text()
    picker.close()
    with pytest.raises(ValueError, match="role='judge'; accepted are"):
        ModelPicker("judge")


@pytest.mark.hf
def test_a_public_reward_model_from_a_folder(tmp_path):
    from tts_lab.prm import train

    folder = tmp_path / "a-prm"
    train.export(train.whole(train.shipped("prm-b")), folder)
    picker = ModelPicker("verifier")
    loaded(picker, folder)
    assert picker.loaded[0].label == "a-prm (engine)"
    engine = picker.loaded[0].test
    loaded(picker, folder, backend="transformers")
    assert "family: ladder" in picker.text()
    assert picker.loaded[1].test == engine
    message = refused(picker, folder, backend="transformers", format="skywork")
    assert "a-prm (transformers) stays loaded." in message
    picker.close()


def test_a_served_reward_model_that_is_not_here_is_told():
    picker = ModelPicker("verifier")
    with FakeEndpoint() as fake:
        message = refused(picker, fake.url)
        assert "'/models/105k', which is neither a folder here nor a hub id" in message
        assert "give tokenizer=" in message
        message = refused(picker, fake.url, tokenizer="105k")
    assert "does not say which family of reward models it is" in message
    picker.close()


@pytest.mark.vllm
def test_a_real_vllm_server_for_policy_and_verifier(vllm_server, tmp_path_factory):
    from tts_lab.prm import train

    folder = tmp_path_factory.mktemp("served") / "a-prm"
    train.export(train.whole(train.shipped("prm-b")), folder)
    lab = StrategyLab(domain="chains", level=2, n=8, width=2, verifier="exact")
    lab.picker.load(f"{vllm_server(ladder.path('105k'))}/v1")
    lab.verifier_picker.load(vllm_server(folder, pooling=True))
    assert lab.wait(180)
    assert lab.controls.policy.value == "105k (server)", lab.picker.text()
    assert lab.controls.verifier.value == "a-prm (server)", lab.verifier_picker.text()
    assert lab.picker.loaded[0].test == "47+38 → 47+38=85 #85"
    lab.run()
    assert lab.wait(180)
    assert lab.status.phase == "done", lab.status.message
    assert lab.choice is not None and lab.tree.read > 0
    lab.close()


# What goes wrong


def test_what_is_no_model_is_told_and_the_one_before_stays(picker, tmp_path):
    loaded(picker, "105k")
    (tmp_path / "empty").mkdir()
    pickled = changed(tmp_path / "pickled", vocab_size=100)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    damaged = changed(tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"x" * 40)
    for spec, told in (
        ("no such model", "'no such model' is nothing that can be opened"),
        (tmp_path / "empty", "has no config.json"),
        (pickled, "has no *.safetensors; accepted are safetensors only"),
        (damaged, "cannot be read as safetensors"),
        ("http://127.0.0.1:9/v1", "127.0.0.1:9"),
        ("", "no model is named"),
    ):
        message = refused(picker, spec)
        assert told in message
        assert message.endswith("press Load again. 105k (engine) stays loaded.")
        assert picker.proposer.name == "105k"
        assert "⚠" in picker.status_line.value
    loaded(picker, "27k")


@pytest.mark.parametrize("name", ["transformers", "httpx"])
def test_a_missing_extra_says_its_pip_line(picker, monkeypatch, name):
    extra, spec, backend = {
        "transformers": ("hf", "105k", "transformers"),
        "httpx": ("server", "http://127.0.0.1:9/v1", None),
    }[name]
    monkeypatch.setitem(sys.modules, name, None)
    message = refused(picker, spec, backend=backend)
    assert f'pip install "tts-lab[{extra}]"' in message
    hidden = ModelPicker()
    labels = [label for label, _ in hidden.controls.backend.options]
    assert sum(f"tts-lab[{extra}]" in label for label in labels) == 1
    assert hidden.wait(SECONDS)
    hidden.close()


def test_what_does_not_fit_is_refused_before_it_is_loaded(picker, monkeypatch):
    loaded(picker, "27k")
    monkeypatch.setattr(memory, "_available", lambda: 1_000_000)
    opened: list[str] = []
    real = opening.policy
    monkeypatch.setattr(
        opening, "policy", lambda way, *a: opened.append(way.spec) or real(way, *a)
    )
    message = refused(picker, "1.5m")
    assert "'1.5m' needs about 5.9 MB of weights" in message
    assert "1.0 MB of memory free" in message
    assert "choose a smaller model, unload 27k (engine)" in message
    assert "Does not fit: needs about 5.9 MB" in picker.memory.value
    assert opened == []
    picker.controls.anyway.value = True
    picker.controls.load.click()
    assert picker.wait(SECONDS)
    assert (picker.status.phase, opened) == ("done", ["1.5m"])


def test_unknown_memory_refuses_nothing(picker, monkeypatch):
    for look in ("_available", "_left_in_group"):
        monkeypatch.setattr(memory, look, lambda: None)
    loaded(picker, "105k")
    until(lambda: "free memory is not known here" in picker.memory.value)
    assert "<svg" not in picker.memory.value


def test_cancel_during_a_load_keeps_the_model_before(picker, monkeypatch):
    loaded(picker, "105k")
    begun, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    class Late(Scripted):
        def close(self) -> None:
            closed.set()

    def slow(*_):
        begun.set()
        assert go_on.wait(SECONDS)
        return Late({})

    with monkeypatch.context() as patch:
        patch.setattr(opening, "policy", slow)
        picker.load("380k")
        assert begun.wait(SECONDS)
        assert picker.controls.load.disabled or not picker.controls.cancel.disabled
        picker.controls.cancel.click()
        picker.cancel()
        assert picker.wait(SECONDS)
    assert picker.status.phase == "cancelled"
    assert "Cancelled. 105k (engine) stays loaded." in picker.status_line.value
    assert picker.proposer.name == "105k" and len(picker.loaded) == 1
    go_on.set()
    assert closed.wait(SECONDS)
    loaded(picker, "27k")


def test_a_model_that_fails_when_it_is_tried_is_closed(picker, monkeypatch):
    closed: list[str] = []

    class Broken(Scripted):
        def close(self) -> None:
            closed.append(self.name)

    def explodes(*_):
        raise MemoryError("no room for a row")

    broken = Broken(explodes, name="broken")
    monkeypatch.setattr(opening, "policy", lambda *_: broken)
    assert "no room for a row" in refused(picker, "105k")
    assert closed == ["broken"] and picker.proposer is None


def test_an_endpoint_that_refuses_shows_no_key(picker, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-0123")
    with FakeEndpoint() as fake:
        fake.always = (401, {}, b"bad key sk-very-secret-0123")
        message = refused(picker, fake.url)
    shown = message + picker.status_line.value + repr(picker.status.message)
    assert "secret" not in shown and "401" in message


def test_hostile_names_are_escaped(picker, monkeypatch):
    model = Scripted(lambda *_: HOSTILE, name=HOSTILE)
    monkeypatch.setattr(opening, "policy", lambda *_: model)
    loaded(picker, "105k")
    refused(picker, HOSTILE)
    for html in (picker.card, picker.status_line, picker.memory, picker.machine):
        assert "<img" not in html.value
    assert "&lt;img" in picker.card.value


def test_the_endpoint_s_fields_are_for_endpoints(picker):
    controls = picker.controls
    assert picker.wait(SECONDS)
    assert controls.served.layout.display == "none"
    controls.kind.value = "endpoint"
    assert controls.served.layout.display is None
    controls.served.value, controls.typed.value = " two ", "http://h/v1"
    assert controls.choice().served == "two"
    controls.kind.value = "rung"
    assert controls.choice().served is None


def test_everything_has_a_label(picker):
    for control in (*picker.controls.box.children, picker.controls.kind):
        assert control.description
        tips = getattr(control, "tooltips", None) or [control.tooltip]
        assert all(tips)


# In the widgets


def scores(trace: Trace) -> float:
    return float("85" in trace.text)


def test_the_lab_loads_another_policy_and_verifier():
    lab = StrategyLab(domain="chains", level=1, n=8, width=2, verifier="exact")
    assert lab.controls.policy.options[-1] == OTHER
    assert lab.controls.policies.box.layout.display == "none"
    lab.picker.load("27k")
    lab.verifier_picker.load("prm-a")
    assert lab.wait(SECONDS)
    assert lab.controls.policy.value == "27k (engine)"
    assert lab.controls.verifier.value == "prm-a (engine)"
    assert lab.controls.policies.box.layout.display == ""
    lab.run()
    assert lab.wait(SECONDS)
    assert lab.status.phase == "done", lab.status.message
    assert lab.text().startswith("27k (engine) · prm-a (engine) · beam search")
    assert lab._play.policy_size.parameters == 27296
    lab.controls.domain.value = "countdown"
    assert lab.controls.policy.value == "27k (engine)"
    lab.controls.policy.value = "105k"
    assert lab.controls.policies.box.layout.display == "none"
    lab.picker.unload()
    assert lab.wait(SECONDS)
    assert lab.controls.policy.options[-2:] == ("1.5m", OTHER)
    lab.close()


def test_another_model_that_is_not_loaded_is_told():
    lab = StrategyLab(domain="chains", level=1, n=4, width=2, verifier="exact")
    lab.controls.policy.value = OTHER
    lab.run()
    assert lab.wait(SECONDS)
    assert lab.status.phase == "failed"
    assert "none is loaded: choose one in the picker" in lab.status.message
    explorer = CoverageExplorer(n_problems=2, samples=2)
    explorer.controls.model.value = OTHER
    explorer.run()
    assert explorer.wait(SECONDS)
    assert "none is loaded" in explorer.status.message
    lab.close()
    explorer.close()


def test_a_model_that_is_unloaded_stops_the_run_that_uses_it(monkeypatch):
    slow = Scripted(lambda *_: "47+38=85\n#85", seconds_per_chunk=0.05)
    monkeypatch.setattr(opening, "policy", lambda *_: slow)
    lab = StrategyLab(verifier=Exact(), domain="chains", level=1, n=256, width=1)
    loaded(lab.picker, "105k")
    lab.run()
    until(lambda: lab._play is not None and lab.tree.samples > 0)
    lab.picker.unload()
    assert lab.status.phase == "cancelled"
    assert lab.tree.samples > 0
    assert lab.wait(SECONDS)
    lab.close()


def test_a_lab_without_pickers():
    lab = StrategyLab(picker=False, proposer=Scripted({}), verifier=Exact())
    assert OTHER not in lab.controls.policy.options
    assert lab.controls.policy.disabled
    with pytest.raises(ValueError, match="problems must hold at least one"):
        StrategyLab(problems=[])


def test_a_given_proposer_and_another_beside_it():
    proposer = Scripted(lambda *_: "47+38=85\n#85", name="mine")
    lab = StrategyLab(proposer=proposer, verifier=Exact(), domain="chains", level=1)
    assert lab.controls.policy.options == ("mine", OTHER)
    loaded(lab.picker, "105k")
    assert lab.controls.policy.options == ("mine", "105k (engine)", OTHER)
    assert lab._model("policy", "105k (engine)").name == "105k"
    assert lab._model("policy", "mine") is proposer
    lab.close()


def test_the_explorer_keeps_its_curves_over_models():
    explorer = CoverageExplorer(domain="chains", level=1, n_problems=3, samples=4)
    with FakeEndpoint() as fake:
        explorer.picker.load(fake.url)
        assert explorer.wait(SECONDS)
        explorer.controls.budget.value = "flops"
        explorer.run()
        assert explorer.wait(SECONDS)
        assert explorer.status.phase == "done", explorer.status.message
        assert "105k (server) · chains level 1" in explorer.text()
        assert "unknown" in explorer.text()
        assert "Tokens, not FLOPs" in explorer.chart.value
        assert "tokens per problem" in explorer.chart.value
        explorer.controls.model.value = "105k"
        explorer.run()
        assert explorer.wait(SECONDS)
        assert "105k (server)" in explorer.chart.value  # the earlier curve
        explorer.figure()
        explorer.close()


def test_an_endpoint_that_dies_keeps_what_was_measured():
    explorer = CoverageExplorer(domain="chains", level=1, n_problems=4, samples=400)
    with FakeEndpoint() as fake:
        loaded(explorer.picker, fake.url)
        explorer.picker.proposer.endpoint.attempts = 1
        fake.dies_after = 40
        explorer.run()
        assert explorer.wait(SECONDS)
        assert explorer.status.phase == "failed"
        assert explorer.counts.n >= 1
        assert "⚠" in explorer.status_line.value and explorer.status.hint
        explorer.close()


def test_a_race_with_another_policy():
    race = StrategyRace(
        domain="chains", level=1, n_problems=2, n=(2,), chosen=("best-of-n",),
        verifier="exact",
    )  # fmt: skip
    with FakeEndpoint() as fake:
        race.picker.load(fake.url)
        assert race.wait(SECONDS)
        race.run()
        assert race.wait(SECONDS)
        assert race.status.phase == "done", race.status.message
        assert [point.samples for point in race.points] == [4]
        assert "Tokens, not FLOPs" in race.chart.value
        race.close()


# Problems in words

WORDS = [
    Problem("text", f"<b>What</b> is {i}+1?", answer=str(i + 1), delimiter="\n\n")
    for i in range(3)
]


class Chat(Scripted):
    """A model in a family's format."""

    format = FORMATS["gsm8k"]
    watch = None


def worked(prompt: str, text: str, row: int, stream: int) -> str:
    number = int(prompt.split()[2].partition("+")[0])
    end = "\n\n" if "\n\n" in text + "\n\n" else "\n"
    whole = f"<i>Let</i> us\nadd.{end}It is {number + 1 + row % 2}.{end}#### "
    whole += str(number + 1 + row % 2)
    return whole.removeprefix(text)


def test_a_lab_over_problems_in_words():
    lab = StrategyLab(
        problems=WORDS, proposer=Scripted(worked), n=4, width=2, number=2,
        verifier=ScriptedVerifier(lambda trace: float("is 2" in trace.text)),
    )  # fmt: skip
    assert lab.controls.domain not in lab.controls.box.children
    assert lab.controls.number.max == 3
    assert "&lt;b&gt;What" in lab.controls.example.value
    lab.run()
    assert lab.wait(SECONDS)
    assert lab.status.phase == "done", lab.status.message
    assert "problem 2 of 3 given" in lab.text()
    assert lab.choice.answer == "2" and lab._play.right
    assert [node.depth for node in lab.tree.walk()][:4] == [0, 1, 2, 3]
    html = lab.chart.value + lab.answer.value + lab.controls.example.value
    assert "<i>" not in html and "<b>What" not in html
    assert "&lt;i&gt;Let" in lab.answer.value
    lab.controls.number.value = 3
    lab.run()
    assert lab.wait(SECONDS)
    assert lab.tree.problem == WORDS[2]
    with pytest.raises(ValueError, match="number=4; accepted is 1 to 3"):
        Settings(given=tuple(WORDS), number=4)


def test_steps_end_where_the_model_ends_them():
    """A blank line is no step to a model that writes a step a line."""
    lab = StrategyLab(
        problems=WORDS, proposer=Chat(worked), n=2, width=1, strategy="beam search",
        verifier=ScriptedVerifier(lambda trace: 0.5),
    )  # fmt: skip
    lab.run()
    assert lab.wait(SECONDS)
    assert lab.status.phase == "done", lab.status.message
    assert lab.tree.problem.delimiter == "\n"
    assert max(node.depth for node in lab.tree.walk()) > 3


def test_a_tree_of_steps_with_blank_lines():
    problem = WORDS[0]
    tree = SearchTree(problem)
    parent = Trace(problem, "Two\nlines\n\n", 3)
    child = Trace(problem, "Two\nlines\n\n\nThen <s>more</s>\n\n", 6)
    tree.on_event(Sampled(0, [parent]))
    tree.on_event(Scored(0, [parent], [0.5]))
    tree.on_event(Sampled(0, [child]))
    assert [(n.depth, n.step) for n in tree.walk()][1:] == [
        (1, "Two\nlines"), (2, "Then <s>more</s>"),
    ]  # fmt: skip
    assert tree.text().count("\n") == 2
    assert "<s>" not in svg(tree)
    long = Trace(problem, "word " * 100, 100, True)
    tree.on_event(Sampled(0, [long]))
    shown = svg(tree).split('class="tts-tip"')
    assert max(len(part.split("</text>")[0]) for part in shown[1:]) < 160


def test_an_explorer_over_problems_in_words():
    explorer = CoverageExplorer(problems=WORDS, proposer=Scripted(worked), samples=4)
    explorer.run()
    assert explorer.wait(SECONDS)
    assert explorer.status.phase == "done", explorer.status.message
    assert explorer.counts.c.tolist() == [2, 2, 2]
    assert "<i>" not in explorer.texts.value and "&lt;i&gt;Let" in explorer.texts.value


# What is being written


class Slow(Scripted):
    """Tells how far it is, as slow proposers do."""

    watch = None
    notes: list[str]

    def propose(self, jobs, *, cancel=None):
        rows = sum(len(job.rows) for job in jobs)
        self.notes = [*getattr(self, "notes", ()), "the batch was <halved>"]
        for done in range(20):
            if self.watch is not None:
                self.watch(Writing(done * rows // 20, rows, 10 * done, f"<i>{done}"))
            time.sleep(0.01)
        yield from super().propose(jobs, cancel=cancel)


def test_the_line_says_what_is_being_written():
    model = Slow(lambda *_: "47+38=85\n#85")
    lab = StrategyLab(
        proposer=model, verifier=Exact(), domain="chains", level=1, n=64, width=1,
        strategy="best-of-n",
    )  # fmt: skip
    seen: list[str] = []
    lab.writing.observe(lambda change: seen.append(change["new"]), "value")
    lab.run()
    assert lab.wait(SECONDS)
    assert any("writing: " in html and "of 64 rows" in html for html in seen)
    assert any("tokens/s" in html for html in seen)
    assert not any("<i>" in html or "<halved>" in html for html in seen)
    assert model.watch is None
    assert lab.writing.value == (
        '<div class="tts-under">the batch was &lt;halved&gt;</div>'
    )
    explorer = CoverageExplorer(
        proposer=Slow(lambda *_: "47+38=85\n#85"), samples=4,
        problems=[Problem("chains", "47+38\n", 1)],
    )  # fmt: skip
    shown: list[str] = []
    explorer.writing.observe(lambda change: shown.append(change["new"]), "value")
    explorer.run()
    assert explorer.wait(SECONDS)
    assert any("writing: " in html for html in shown)
    assert "writing: " not in explorer.writing.value


def test_a_pen_counts_each_call_anew():
    pen = Pen()
    assert (pen.words(), pen.html(), pen.rate()) == ("", "", 0.0)
    pen(Writing(0, 4, 500, "a"))
    pen(Writing(0, 4, 1500, "b"))
    assert pen.rate() > 0
    pen(Writing(0, 4, 3, "c"))
    assert pen.rate() == 0.0
    pen(Writing(4, 4, 40, "d"))
    assert pen.words() == ""


def test_watching_ends_with_an_error():
    model, pen = Slow({}), Pen()
    with pytest.raises(RuntimeError), watched(model, pen):
        assert model.watch is pen
        raise RuntimeError
    assert model.watch is None
