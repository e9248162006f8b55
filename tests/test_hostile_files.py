"""Hostile files and servers: each is read, or refused with a ValueError that names it.

Problem files, published runs, tables, checkpoints, configs, tokenizers, addresses.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from hostile import DAMAGED, few, texts, values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tts_lab import found, hub, importers, ladder, memory, published
from tts_lab.json_files import read_object
from tts_lab.ladder import model_folder
from tts_lab.models import hidden
from tts_lab.problems import sources
from tts_lab.proposers import checkpoints
from tts_lab.proposers.endpoint_errors import quoted, refusal
from tts_lab.proposers.endpoint_url import root_of

same_folder = settings(few, suppress_health_check=[HealthCheck.function_scoped_fixture])
RUNG = ladder.path("27k")


def refused_in_words(use, *said: str):
    """What `use` gives, or None if it refused with an error that says all of this."""
    try:
        return use()
    except (ValueError, OSError) as error:
        assert str(error)
        assert all(one in str(error) for one in said), str(error)[:300]
        return None


# --- problems and published runs -------------------------------------------------


@same_folder
@given(rows=st.lists(st.dictionaries(
    st.sampled_from(["problem", "question", "answer", "solution", "level", "x"]),
    values, max_size=4), max_size=3))  # fmt: skip
def test_any_json_lines_are_problems_or_refused(tmp_path, rows):
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    for problem in refused_in_words(lambda: sources.load(path), str(path)) or []:
        assert problem.prompt.strip() and problem.prompt.encode()
        assert problem.answer and problem.answer.encode()
        assert problem.level is None or 0 <= problem.level < 10**9


@pytest.mark.parametrize("content", DAMAGED, ids=lambda content: repr(content[:12]))
@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_damaged_json_is_refused_by_its_path(content, suffix, tmp_path):
    path = tmp_path / f"mine{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="mine"):
        sources.load(path)
    with pytest.raises(ValueError, match="mine"):
        importers.read(path, "monkey-business")


def test_damaged_parquet_is_refused_by_its_path(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    arrow = pytest.importorskip("pyarrow")
    path = tmp_path / "mine.parquet"
    parquet.write_table(arrow.table({"problem": ["6*7?"] * 50}), path)
    whole = path.read_bytes()
    for i in range(0, len(whole), 40):
        path.write_bytes(whole[:i])
        with pytest.raises(ValueError, match="mine"):
            sources.load(path)
        damaged = bytearray(whole)
        damaged[i] ^= 0xFF
        path.write_bytes(damaged)
        refused_in_words(lambda: sources.load(path), str(path))


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 10**400, "\ud800", ""])
def test_an_answer_that_is_none_is_refused(value, tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps({"problem": "6*7?", "answer": value}))
    with pytest.raises(ValueError, match="line 1: the answer is"):
        sources.load(path)


RECORDS = {
    "search-and-learn": {
        "problem": "Half?", "answer": "1/2", "level": 3, "completions": ["a", "b"],
        "scores": [[0.9, 0.2], [0.5]], "completion_tokens": [3, 4],
    },
    "compute-optimal-tts": {
        "question": "Half?", "groundtruth": "1/2",
        "output": [{"text": "a ки\n", "value": [0.5], "token_history": [3],
                    "completion_tokens": 3}],
    },
    "monkey-business": {
        "question": "Half?", "samples": ["a", "b"], "is_corrects": [True, False],
        "gt_answer": "1/2",
    },
}  # fmt: skip


def places(value, path=()):
    """Every place in nested lists and dictionaries."""
    yield path
    inner = enumerate(value) if isinstance(value, list) else ()
    for key, one in value.items() if isinstance(value, dict) else inner:
        yield from places(one, (*path, key))


@same_folder
@given(data=st.data(), format=st.sampled_from(list(RECORDS)), value=values)
def test_any_record_is_imported_or_refused(tmp_path, data, format, value):
    record = copy.deepcopy(RECORDS[format])
    *path, last = data.draw(st.sampled_from(list(places(record))[1:]))
    at = record
    for key in path:
        at = at[key]
    at[last] = value
    file = tmp_path / "run.jsonl"
    file.write_text(json.dumps(record))
    run = refused_in_words(lambda: importers.read(file, format), str(file))
    if run is not None:
        assert all(0 <= n < 2**31 for one in run.tokens for n in one)
        assert not np.isnan(
            [s for one in run.scores or [] for t in one for s in t]
        ).any()
        assert all(t.text.encode() is not None for one in run.traces for t in one)


def test_step_marks_among_many_blanks_are_found_at_once(tmp_path):
    """A pattern that began with blanks took minutes for this."""
    record = copy.deepcopy(RECORDS["compute-optimal-tts"])
    record["output"][0]["text"] = "a ки" + " \n" * 100_000 + "b ки\n"
    path = tmp_path / "run.jsonl"
    path.write_text(json.dumps(record))
    run = importers.read(path, "compute-optimal-tts")
    assert run.traces[0][0].text == "a\n\nb"


# --- tables ----------------------------------------------------------------------


@few
@given(st.one_of(texts, st.lists(st.text('#,"\n1.ax', max_size=30)).map("\n".join)))
def test_any_table_is_read_or_refused(content):
    table = refused_in_words(lambda: published.parsed(content))
    for name in table.rows[0] if table and table.rows else ():
        refused_in_words(lambda name=name: table.column(name))


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "", "o1_aime2024.csv"])
def test_a_table_is_named_and_no_path(name):
    with pytest.raises(ValueError, match="is unknown; there are"):
        published.table(name)


# --- checkpoints -----------------------------------------------------------------


def crafted(path: Path, header: object, data: bytes = b"", length: int | None = None):
    """A safetensors file with any header, and any length in front of it."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = len(raw) if length is None else length
    path.write_bytes(struct.pack("<Q", size) + raw + data)


def tensor(dtype="F32", shape=(2, 2), offsets=(0, 16)) -> dict[str, object]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


HEADERS = {
    "huge length": ({"a": tensor()}, bytes(16), 2**63),
    "all ones": ({"a": tensor()}, bytes(16), 2**64 - 1),
    "longer than the file": ({"a": tensor()}, bytes(16), 10**6),
    "no length": (b"", b"", 0),
    "overlapping": ({"a": tensor(), "b": tensor(offsets=(8, 24))}, bytes(24), None),
    "a hole": ({"a": tensor(), "b": tensor(offsets=(32, 48))}, bytes(48), None),
    "beyond the end": ({"a": tensor(offsets=(0, 10**12))}, bytes(16), None),
    "backwards": ({"a": tensor(offsets=(16, 0))}, bytes(16), None),
    "negative shape": ({"a": tensor(shape=(-2, -2))}, bytes(16), None),
    "huge shape": ({"a": tensor(shape=(2**40, 2**40))}, bytes(16), None),
    "shape of text": ({"a": tensor(shape=("2", "2"))}, bytes(16), None),
    "no such dtype": ({"a": tensor(dtype="PICKLE")}, bytes(16), None),
    "other dtype": ({"a": tensor(dtype="F64")}, bytes(16), None),
    "a list": ([1, 2], b"", None),
    "no object": ({"a": 3}, b"", None),
    "not JSON": (b"{", b"", None),
    "deep": (b"[" * 100_000, b"", None),
    "not UTF-8": (b'{"\xff": 1}', b"", None),
    "a pickle": (b"", b"\x80\x04cposix\nsystem\n(S'touch hit'\ntR.", 2),
}


def readers(folder: Path):
    """All that looks into a model folder without other libraries."""
    yield lambda: model_folder.read(folder)
    yield lambda: checkpoints.size_of(folder)
    yield lambda: checkpoints.headers(folder)
    yield lambda: checkpoints.fingerprint(folder)
    yield lambda: memory.needs(folder)


@pytest.fixture
def model(tmp_path) -> Path:
    return Path(shutil.copytree(RUNG, tmp_path / "model"))


@pytest.mark.parametrize("kind", HEADERS)
def test_crafted_safetensors_are_refused(kind, model):
    header, data, length = HEADERS[kind]
    crafted(model / "model.safetensors", header, data, length)
    with pytest.raises(model_folder.ModelError, match=r"model\.safetensors cannot be"):
        model_folder.read(model)
    for use in (checkpoints.size_of, checkpoints.headers, memory.needs):
        with pytest.raises(ValueError, match=r"model\.safetensors cannot be read"):
            use(model)
    assert checkpoints.fingerprint(model)


@same_folder
@given(st.binary(max_size=200), st.integers(0, 2**64 - 1))
def test_any_bytes_as_safetensors_are_refused(tmp_path, content, length):
    folder = tmp_path / "model"
    if not folder.exists():
        shutil.copytree(RUNG, folder)
    for raw in (content, struct.pack("<Q", length) + content):
        (folder / "model.safetensors").write_bytes(raw)
        for use in readers(folder):
            refused_in_words(use, str(folder))


@same_folder
@given(data=st.data(), value=values)
def test_any_config_is_used_or_refused(tmp_path, data, value):
    folder = tmp_path / "model"
    if not folder.exists():
        shutil.copytree(RUNG, folder)
    config = json.loads((RUNG / "config.json").read_text())
    extra = ["rope_scaling", "text_config", "head_dim", "rope_theta", "n_layer"]
    name = data.draw(st.sampled_from([*config, *extra]))
    (folder / "config.json").write_text(json.dumps(config | {name: value}))
    for use in readers(folder):
        refused_in_words(use, str(folder))
    assert isinstance(found._described(folder, "policy"), str)
    assert model_folder.is_of_family(folder) in (True, False)


def test_a_config_with_a_billion_layers_is_refused_at_once(model):
    config = json.loads((model / "config.json").read_text())
    config["num_hidden_layers"] = 10**9
    (model / "config.json").write_text(json.dumps(config))
    with pytest.raises(model_folder.ModelError, match=r"layers\.\d+\..* is missing"):
        model_folder.read(model)


@pytest.mark.parametrize("content", DAMAGED, ids=lambda content: repr(content[:12]))
@pytest.mark.parametrize(
    "name", ["config.json", "tokenizer.json", "model.safetensors.index.json"]
)
def test_damaged_json_of_a_model_is_refused(content, name, model):
    (model / name).write_bytes(content)
    if name != checkpoints.INDEX:
        with pytest.raises(model_folder.ModelError):
            model_folder.read(model)
    else:
        with pytest.raises(ValueError, match="index"):
            checkpoints.weight_files(model)
        assert not hub.is_whole(model)
    for use in readers(model):
        refused_in_words(use, str(model))


def test_a_file_that_is_too_large_is_not_read(model):
    with (model / "config.json").open("wb") as file:
        file.truncate(10**12)  # takes no room
    with pytest.raises(ValueError, match=r"1,000,000,000,000 bytes; accepted are"):
        read_object(model / "config.json")


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "../other/model.safetensors", "..", "",
     "sub/model.safetensors", "pytorch_model.bin", "a\\b.safetensors", 7, None],
)  # fmt: skip
def test_an_index_names_files_of_its_own_folder_only(name, model):
    index = {"weight_map": {"model.embed_tokens.weight": name}}
    (model / checkpoints.INDEX).write_text(json.dumps(index))
    with pytest.raises(ValueError, match=r"names .*accepted are \*\.safetensors"):
        checkpoints.weight_files(model)
    assert not hub.is_whole(model)
    assert found.folders(model.parent) == []


def test_pickles_are_not_read(model):
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    with pytest.raises(ValueError, match="safetensors only, since loading a pickle"):
        checkpoints.weight_files(model)
    with pytest.raises(model_folder.ModelError, match=r"has no model\.safetensors"):
        model_folder.read(model)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX only")
@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_pipes_and_links_are_not_waited_for_nor_quoted(name, model, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("sk-do-not-show-me")
    for make in (os.mkfifo, lambda path: path.symlink_to(secret),
                 lambda path: path.symlink_to("/dev/zero")):  # fmt: skip
        (model / name).unlink()
        make(model / name)
        for use in readers(model):
            try:
                use()
            except (ValueError, OSError) as error:
                assert "do-not-show" not in str(error)
        hub.is_whole(model)
        found.folders(model.parent)


@pytest.mark.parametrize("dtype", ["I32", "BF16", "BOOL"])
def test_weights_of_another_dtype_are_refused(dtype, model):
    size = {"I32": 4, "BF16": 2, "BOOL": 1}[dtype]
    crafted(model / "model.safetensors",
            {"model.norm.weight": tensor(dtype, (4,), (0, 4 * size))},
            bytes(4 * size))  # fmt: skip
    with pytest.raises(model_folder.ModelError, match=f"has dtype {dtype}"):
        model_folder.read(model)


def test_weights_that_are_not_finite_are_refused(model):
    path = model / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-2:] = struct.pack("<e", float("nan"))
    path.write_bytes(content)
    with pytest.raises(model_folder.ModelError, match="not finite"):
        model_folder.read(model)


@pytest.mark.hf
@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "model.safetensors"])
def test_transformers_refuses_damaged_folders_in_words(name, model):
    pytest.importorskip("transformers")
    from tts_lab.proposers import torch_models

    for content in (b"{}", b'{"model": {"vocab": 3}}', b"\xff\x00", b"[[["):
        shutil.copy(RUNG / name, model / name)
        (model / name).write_bytes(content)
        with pytest.raises(ValueError, match="model"):
            torch_models.load(model, device="cpu", dtype="float32")


@pytest.mark.hf
def test_code_that_comes_with_a_model_never_runs(model, tmp_path, monkeypatch):
    """Nor is anybody asked whether it may."""
    pytest.importorskip("transformers")
    from tts_lab.proposers import torch_models
    from tts_lab.proposers.served_prompts import _load
    from tts_lab.verifiers import prm_torch

    ran = tmp_path / "ran"
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    (model / "evil.py").write_text(
        f"open({str(ran)!r}, 'w').close()\n"
        "from transformers import *\n"
        "class Evil(LlamaConfig): model_type = 'evil'\n"
        "class EvilModel(LlamaForCausalLM): config_class = Evil\n"
        "class EvilTokenizer(PreTrainedTokenizerFast): pass\n"
    )
    models = {
        name: "evil.EvilModel"
        for name in (
            "AutoModel",
            "AutoModelForCausalLM",
            "AutoModelForTokenClassification",
        )
    }
    auto = {"auto_map": {"AutoConfig": "evil.Evil", **models,
                         "AutoTokenizer": ["evil.EvilTokenizer", None]}}  # fmt: skip
    for name, change in (("config.json", {"model_type": "evil"} | auto),
                         ("tokenizer_config.json",
                          {"tokenizer_class": "EvilTokenizer"} | auto)):  # fmt: skip
        path = model / name
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(known | change))
    for use in (
        lambda: torch_models.load(model, device="cpu", dtype="float32"),
        lambda: _load(str(model)),
        lambda: prm_torch._trunk(model, "float32"),
    ):
        refused_in_words(use)
        assert not ran.exists()


# --- secrets ---------------------------------------------------------------------

KEY = 'sk-proj-"a/b\\c"-0123456789'


@pytest.mark.parametrize(
    "url",
    ["http://me:pass/w0rd@host/v1", "http://me:p@ss@host", "http://host/v1?key=w0rd",
     "http://host/v1#w0rd", "https://:w0rd@", "http//me:w0rd@host", "me:w0rd@host/v1",
     "http://[::1?key=w0rd", "http://host:w0rd?a=b"],
)  # fmt: skip
def test_no_url_with_a_secret_is_quoted(url):
    with pytest.raises(ValueError) as caught:
        root_of(url)
    assert "w0rd" not in str(caught.value) and "p@ss" not in str(caught.value)


@pytest.mark.parametrize(
    "said",
    ["http://me:w0rd@host", "http://me:pass/w0rd@host", "HTTP://me:p@w0rd@host/v1",
     "could not open https://a.b/v1?api_key=w0rd&x=1", "postgres://u:w0rd@db",
     "https://a.b/v1?x=1&access_token=w0rd'"],
)  # fmt: skip
def test_secrets_in_addresses_are_hidden(said):
    assert "w0rd" not in hidden(said)


@few
@given(texts, texts, st.sampled_from([401, 404, 429, 500, 302, 200]))
def test_a_key_that_a_server_repeats_is_hidden(before, after, status):
    url = "http://host/v1/models"
    for body in (
        before + KEY + after,
        json.dumps({"error": {"message": before + KEY + after}}),
        json.dumps({"error": {"code": KEY, "said": [before + KEY]}}),
        json.dumps([KEY]).replace("/", "\\/"),
        "[" * 100_000 + KEY,
    ):
        said = str(refusal(url, status, quoted(body, KEY), page=False, key="refused"))
        assert KEY not in said and "0123456789" not in said
