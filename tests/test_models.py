"""What is found on a machine, what a model would need, and opening it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fake_endpoint import FakeEndpoint

from tts_lab import found, hub, ladder, memory, models, opening
from tts_lab.proposers import checkpoints

RUNG = "105k"


def copied(folder: Path, rung: str = RUNG) -> Path:
    shutil.copytree(ladder.path(rung), folder)
    return folder


@pytest.fixture(autouse=True)
def no_load_is_left():
    yield
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(
        thread.name.startswith("tts-lab") for thread in threading.enumerate()
    ):
        time.sleep(0.01)


# What is here


def test_rungs_and_verifiers_of_the_package_are_found():
    every = models.found()
    assert [one.name for one in every if one.kind == "rung"][:5] == ladder.names()
    named = [one.name for one in models.found("verifier") if one.kind == "name"]
    assert {"exact", "prm-b", "unit tests"} <= set(named)


def test_folders_are_found_two_levels_deep_and_only_whole_ones(tmp_path: Path):
    copied(tmp_path / "here")
    copied(tmp_path / "models" / "mine")
    copied(tmp_path / "far" / "too" / "deep")
    copied(tmp_path / ".hidden")
    pickled = copied(tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    broken = copied(tmp_path / "broken")
    (broken / "config.json").write_text("{")
    sharded = copied(tmp_path / "sharded")
    index = {"weight_map": {"a": "model.safetensors", "b": "missing.safetensors"}}
    (sharded / "model.safetensors.index.json").write_text(json.dumps(index))
    some = found.folders(tmp_path)
    assert [one.name for one in some] == ["./here", "./models/mine"]
    assert "LlamaForCausalLM, 0.21 MB" in some[0].note


def test_a_model_that_scores_is_a_verifier_and_no_policy(tmp_path: Path):
    prm = copied(tmp_path / "prm")
    config = json.loads((prm / "config.json").read_text())
    config["architectures"] = ["LlamaForTokenClassification"]
    (prm / "config.json").write_text(json.dumps(config))
    assert found.folders(tmp_path) == []
    assert [one.name for one in found.folders(tmp_path, "verifier")] == ["./prm"]


def test_a_search_looks_into_a_bounded_number_of_folders(tmp_path, monkeypatch):
    for i in range(30):
        (tmp_path / f"{i:02}").mkdir()
    copied(tmp_path / "99")
    assert [one.name for one in found.folders(tmp_path)] == ["./99"]
    monkeypatch.setattr(found, "MAX_FOLDERS", 20)
    assert found.folders(tmp_path) == []


def test_endpoints_are_asked_without_a_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "a-secret-that-stays")
    with FakeEndpoint() as fake:
        monkeypatch.setenv("OPENAI_BASE_URL", fake.url)
        assert found.urls()[0] == fake.url
        one = found.endpoint(fake.url)
        assert one == models.Found("endpoint", fake.url, "served", RUNG)
        assert "a-secret" not in str([headers for _, _, headers in fake.asked])
    assert found.endpoint(fake.url) is None  # nobody is there any more


def test_what_is_no_endpoint_is_none(tmp_path):
    assert found.endpoint((tmp_path / "no").as_uri()) is None
    assert found.endpoint("http://127.0.0.1:9") is None


def test_a_missing_backend_has_its_pip_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    [one] = [one for one in found.backends() if one.name == "transformers"]
    assert (one.where, one.note) == ("", 'pip install "tts-lab[hf]"')
    with pytest.raises(ImportError, match=r'pip install "tts-lab\[hf\]"'):
        models.plan(RUNG, backend="transformers")


def test_a_folder_with_a_backend_s_name_is_not_that_backend(tmp_path, monkeypatch):
    (tmp_path / "httpx_like").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(found.BACKENDS, "server", (("httpx_like",), "server"))
    assert found.missing("server") == 'pip install "tts-lab[server]"'


def test_the_driver_s_tool_tells_gpus(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H200, 140000'\n")
    tool.chmod(0o755)
    monkeypatch.setattr(found.shutil, "which", lambda name: str(tool))
    assert found.devices()[0] == models.Found(
        "device", "CUDA", "NVIDIA H200", "147 GB of memory free"
    )


# What it would need


def test_weights_are_those_of_the_file():
    folder = ladder.path("1.5m")
    need = models.needs(folder)
    header = int.from_bytes((folder / "model.safetensors").read_bytes()[:8], "little")
    assert need.weights == (folder / "model.safetensors").stat().st_size - header - 8
    parameters = checkpoints.size_of(folder).parameters
    assert models.needs(folder, "float32").weights == 4 * parameters
    assert models.needs(folder, "bfloat16").weights == 2 * parameters
    with pytest.raises(ValueError, match="dtype 'int3': accepted are"):
        models.needs(folder, "int3")


def test_the_cache_is_what_a_real_cache_holds():
    """Of Llama-3.1-8B: 32 layers, 8 shared heads of 128, keys and values, 2 bytes."""
    config = {
        "num_hidden_layers": 32, "num_attention_heads": 32, "hidden_size": 4096,
        "num_key_value_heads": 8, "max_position_embeddings": 131072,
    }  # fmt: skip
    need = memory.reckon(config, 16_060_522_496, rows=1, context=1)
    assert need.cache == 131_072
    assert memory.reckon(config, 0).context == memory.CONTEXT
    nested = memory.reckon({"text_config": config}, 0, rows=1, context=1)
    assert nested.cache == 131_072
    assert memory.reckon({"model_type": "odd"}, 5).cache == 0


@pytest.mark.hf
def test_the_cache_is_what_transformers_allocates():
    import torch
    from transformers import AutoModelForCausalLM

    folder = ladder.path("380k")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.inference_mode():
        kept = model(torch.ones(3, 50, dtype=torch.long)).past_key_values
    held = sum(
        part.numel() * part.element_size()
        for layer in kept.layers
        for part in (layer.keys, layer.values)
    )
    assert models.needs(folder, "float32", rows=3, context=50).cache == held


def test_free_memory_heeds_a_container_s_limit(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 600\ninactive_file 100\n")
    assert memory._left_in_group(tmp_path) == 400
    (tmp_path / "memory.max").write_text("max\n")
    assert memory._left_in_group(tmp_path) is None
    monkeypatch.setattr(memory, "_available", lambda: 5000)
    monkeypatch.setattr(memory, "_left_in_group", lambda: 400)
    assert memory.free() == 400
    monkeypatch.setattr(memory, "_available", lambda: None)
    monkeypatch.setattr(memory, "_left_in_group", lambda: None)
    unknown = models.needs(ladder.path(RUNG))
    assert (unknown.free, unknown.fits) == (None, None)
    assert "not known here" in unknown.words()


# Plans


def test_a_spec_finds_its_backend(tmp_path, monkeypatch):
    mine = copied(tmp_path / "mine")
    other = copied(tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    config["num_key_value_heads"] = 1
    (other / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr(models, "missing", lambda backend: "")
    ways = [models.plan(spec) for spec in (RUNG, mine, other, "a/b", "https://host/v1")]
    assert [(way.kind, way.backend) for way in ways] == [
        ("rung", "engine"), ("folder", "engine"), ("folder", "transformers"),
        ("hub", "transformers"), ("endpoint", "server"),
    ]  # fmt: skip
    monkeypatch.setattr(models, "device_of", lambda backend: "cuda")
    assert models.plan("a/b").backend == "vllm"
    assert models.plan("exact", "verifier").kind == "name"


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        ("", {}, "no model is named; accepted are a rung"),
        ("no such", {}, "'no such' is nothing that can be opened.*'105k'"),
        ("/no/such", {}, "'/no/such' is nothing that can be opened"),
        (RUNG, {"backend": "magic"}, "backend 'magic' is unknown; there are"),
        (RUNG, {"backend": "server"}, "backend 'server' wants the URL"),
        ("http://h/v1", {"backend": "engine"}, "a URL is for backend 'server'"),
        ("a/b", {"backend": "engine"}, "'a/b' with backend 'engine': the built-in"),
        ("http://me:pw@h", {"backend": "vllm"}, "'http://•••@h' with backend"),
    ],
)
def test_what_cannot_be_opened_is_refused(spec, options, message):
    with pytest.raises(ValueError, match=message):
        models.plan(spec, **options)


def test_a_policy_is_no_verifier():
    with pytest.raises(
        ValueError, match=r"'105k' is nothing that can be opened.*exact"
    ):
        models.open_verifier(RUNG)


def test_the_engine_reads_plain_prompts():
    with pytest.raises(ValueError, match="format 'chat': the built-in engine"):
        models.open_policy(RUNG, format="chat")
    with pytest.raises(ValueError, match="format 'rhyme' is unknown"):
        models.open_policy(RUNG, format="rhyme")


# Opening


def test_a_folder_of_the_family_runs_on_the_engine(tmp_path):
    said: list[str] = []
    model = models.open_policy(copied(tmp_path / "mine"), say=said.append)
    assert model.name == "mine"
    assert said[-1].startswith("loading ") and said[-1].endswith("mine (engine)")


def test_an_endpoint_is_opened_by_its_url():
    with FakeEndpoint() as fake:
        model = models.open_policy(fake.url)
        assert model.name == RUNG
        assert model.count_tokens("47+38\n") == 7
        models.close(model)


def test_one_of_several_served_models_is_named():
    with FakeEndpoint(models=("one", "two")) as fake:
        with pytest.raises(ValueError, match=r"serves 2 models.*'one', 'two'"):
            models.open_policy(fake.url)
        model = models.open_policy(fake.url, served="two")
        assert model.name == "two"
        models.close(model)


def test_a_cancelled_load_returns_at_once_and_closes_what_comes(monkeypatch):
    begun, go_on, cancel = threading.Event(), threading.Event(), threading.Event()
    closed: list[str] = []

    class Late:
        name = "late"

        def close(self) -> None:
            closed.append("late")

    def slow(*_):
        begun.set()
        assert go_on.wait(30)
        return Late()

    real = opening.policy
    monkeypatch.setattr(opening, "policy", slow)
    threading.Thread(target=lambda: begun.wait(30) and cancel.set()).start()
    with pytest.raises(models.Cancelled):
        models.open_policy(RUNG, cancel=cancel)
    assert closed == []
    # the next load waits for the one that was left alone
    monkeypatch.setattr(opening, "policy", real)
    said: list[str] = []

    def say(message: str) -> None:
        said.append(message)
        go_on.set()

    model = models.open_policy(RUNG, say=say, cancel=threading.Event())
    assert model.name == RUNG
    assert closed == ["late"]
    assert said[0] == "waiting for another load to end"


def test_what_a_load_raises_is_raised(monkeypatch):
    def broken(*_):
        raise RuntimeError("no idea")

    monkeypatch.setattr(opening, "policy", broken)
    for cancel in (None, threading.Event()):
        with pytest.raises(RuntimeError, match="no idea"):
            models.open_policy(RUNG, cancel=cancel)


def test_keys_are_not_told(monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "sk-0123456789")
    monkeypatch.setenv("HF_TOKEN", "hf_0123456789")
    told = models.hidden("with sk-0123456789 and hf_0123456789 at https://a:b@c/v1")
    assert told == "with ••• and ••• at https://•••@c/v1"


# The hub


HUB = """
import threading
from tts_lab import hub, models

assert hub.cached() == {} and hub.snapshot("owner/tiny") is None
way = models.plan("owner/tiny", backend="transformers")
need = models.memory_of(way)
assert 209_000 < need.weights < 220_000 and need.cache == 64 * 256 * 512, need
said = []
cancel = threading.Event()

def stop(message):
    said.append(message)
    cancel.set()

try:
    models.open_policy("owner/tiny", backend="transformers", say=stop, cancel=cancel)
except models.Cancelled:
    pass
else:
    raise AssertionError("not cancelled")
assert hub.snapshot("owner/tiny") is None and hub.cached() == {}
said.clear()
model = models.open_policy("owner/tiny", backend="transformers", say=said.append)
assert model.name == "owner/tiny" and model.size.parameters == 104768
assert said[0] == "looking for owner/tiny"
assert "owner/tiny: fetched 0.21 MB of 0.21 MB" in said
model.close()
[one] = [one for one in models.found() if one.kind == "hub"]
assert one.name == "owner/tiny" and "LlamaForCausalLM" in one.note
assert set(hub.cached()) == {"owner/tiny"}
try:
    models.open_policy("owner/none", backend="transformers")
except ValueError as error:
    assert "'owner/none' is no folder here and could not be had" in str(error), error
else:
    raise AssertionError("owner/none was found")
"""


@pytest.mark.hf
def test_a_hub_model_is_sized_fetched_cancelled_and_found(tmp_path, repository):
    script = tmp_path / "script.py"
    script.write_text(HUB)
    done = subprocess.run(
        [sys.executable, repository / "tests" / "fake_hub.py", script],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_hub_id_without_huggingface_hub(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert hub.cached() == {} and hub.snapshot("a/b") is None
    with pytest.raises(ImportError, match=r"'a/b' is a hub id.*pip install"):
        hub.fetch("a/b")
