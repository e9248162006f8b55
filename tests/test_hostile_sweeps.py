"""Plans and sample files that others made: refused in words, and soon."""

from __future__ import annotations

import json

import pytest
from hostile import few, texts
from hypothesis import given
from hypothesis import strategies as st
from sweeping import PLAN, toml

from tts_lab.bank import Bank
from tts_lab.sweeps import sweep
from tts_lab.sweeps.plan import parse, read

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("fsspec")

from tts_lab.sweeps import foreign  # noqa: E402
from tts_lab.sweeps.merge import into_bank  # noqa: E402
from tts_lab.sweeps.store import SweepError  # noqa: E402

# --- plans -------------------------------------------------------------------------

DEEP = {
    "a key": "a." * 400_000 + "a = 1",
    "a key in quotes": '"a".' * 200_000 + "a = 1",
    "a table": "[" + "a." * 400_000 + "a]",
    "a table in a list": "[[" + "a." * 400_000 + "a]]",
    "a key in a list": "policies = [{" + "a." * 400_000 + "a = 1}]",
}


@pytest.mark.parametrize("content", DEEP.values(), ids=list(DEEP))
def test_keys_of_many_parts_are_refused_at_once(content, tmp_path):
    """The parser takes the square of their number: these would take hours."""
    path = tmp_path / "plan.toml"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"plan\.toml: line 1: a key is nested too"):
        read(path)


def test_dots_in_texts_and_comments_are_none_of_a_key(tmp_path):
    path = tmp_path / "plan.toml"
    long = PLAN | {"problems": ["./" * 200 + f"a{i}.jsonl" for i in range(3)]}
    path.write_text("# " + "." * 200 + "\n" + toml(long) + "# " + "." * 200)
    assert read(path) == parse(long)


def test_ten_thousand_models_are_counted_at_once():
    """Each name was once compared with all others."""
    plan = parse(PLAN | {"policies": [f"model-{i}" for i in range(10_000)]})
    assert len(plan.policies) == 10_000


@few
@given(st.one_of(texts, texts.map(lambda one: f'policies = ["{one}"]'),
                 texts.map(lambda one: toml(PLAN) + one),
                 st.binary(max_size=80)))  # fmt: skip
def test_any_text_is_a_plan_or_refused_by_its_path(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzzed.toml"
    raw = content if isinstance(content, bytes) else content.encode("utf-8", "replace")
    path.write_bytes(raw)
    try:
        plan = read(path)
    except ValueError as error:
        assert str(error).startswith(str(path))
    else:
        json.dumps(plan.public())


@pytest.mark.parametrize(
    "name", ["../../x", "..", "a/b", "a\\b", "a=b", "budget=4/x", "~", ".hidden", "a b"]
)
def test_no_name_leads_out_of_the_folder(name, tmp_path):
    out = tmp_path / "inner" / "out"
    plan = PLAN | {"policies": [{"spec": "27k", "name": name}]}
    with pytest.raises(ValueError, match="accepted are 1 to 64 letters, digits"):
        sweep(plan, out, workers=1)
    assert list(tmp_path.iterdir()) == []


def test_a_grid_of_a_billion_is_refused_before_anything_is_made(tmp_path):
    many = {"budgets": list(range(1, 10_001)), "seeds": list(range(10_000)),
            "policies": [f"m{i}" for i in range(10)]}  # fmt: skip
    with pytest.raises(ValueError, match="1,000,000 or fewer"):
        sweep(PLAN | many, tmp_path / "out", workers=1)
    assert list(tmp_path.iterdir()) == []


def test_no_key_or_password_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-do-not-show-me-0123")
    plan = parse(PLAN | {"policies": [
        "http://me:pass-w0rd@127.0.0.1:9/v1",
        "http://127.0.0.1:9/v1?api_key=pass-w0rd",
        {"spec": "http://127.0.0.1:9/v1", "name": "one",
         "served": "sk-do-not-show-me-0123"},
    ]})  # fmt: skip
    with pytest.raises((ValueError, OSError)) as caught:
        sweep(plan, tmp_path / "out", workers=1)
    said = str(caught.value) + json.dumps(plan.public())
    for path in tmp_path.rglob("*"):
        said += str(path) + (path.read_text() if path.is_file() else "")
    assert "plan.json" in said
    assert "w0rd" not in said and "do-not-show" not in said


# --- sample files ------------------------------------------------------------------

ROW = {
    "key": (pa.binary(), b"k" * 16), "row": (pa.int64(), 0),
    "text": (pa.string(), "#85"), "tokens": (pa.int32(), 4),
    "finished": (pa.bool_(), True), "logprob": (pa.float32(), -1.0),
    "prefix": (pa.string(), ""), "score": (pa.float64(), 1.0),
    "right": (pa.bool_(), True), "problem": (pa.int64(), 0),
    "raw": (pa.binary(), None),
}  # fmt: skip


@pytest.fixture
def merged(tmp_path):
    """Merges a table of one row, with some columns replaced, into a new bank."""
    (tmp_path / "samples").mkdir()
    header = {"schema": 1, "hash": "x", "plan": {}}
    (tmp_path / "plan.json").write_text(json.dumps(header))

    def merge(metadata=b"{}", /, *, times=1, **columns):
        every = {name: one for name, one in (ROW | columns).items() if one is not None}
        schema = pa.schema(
            [(name, kind) for name, (kind, _) in every.items()],
            {"tts_lab": metadata} if metadata is not None else None,
        )
        table = pa.table({name: [one] * times for name, (_, one) in every.items()},
                         schema=schema)  # fmt: skip
        pq.write_table(table, tmp_path / "samples" / "x.parquet")
        with Bank(tmp_path / "bank.sqlite") as bank:
            return into_bank(tmp_path, bank).new

    return merge


def test_a_row_that_is_one_is_merged(merged):
    assert merged() == 1


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [
        ("key", pa.string(), "k" * 16), ("key", pa.binary(), b"short"),
        ("key", pa.binary(), None), ("row", pa.int64(), -1),
        ("row", pa.float64(), 1.5), ("row", pa.int64(), None),
        ("text", pa.binary(), b"\xff"), ("text", pa.string(), None),
        ("text", pa.list_(pa.string()), ["a"]), ("tokens", pa.int64(), 2**40),
        ("tokens", pa.int32(), -5), ("finished", pa.bool_(), None),
        ("finished", pa.string(), "yes"), ("logprob", pa.float32(), float("nan")),
        ("logprob", pa.float32(), None), ("logprob", pa.string(), "-1"),
        ("raw", pa.string(), "x"), ("raw", pa.int64(), 7),
    ],
)  # fmt: skip
def test_a_column_that_is_none_is_refused_by_its_file(merged, name, kind, value):
    with pytest.raises(SweepError, match=r"x\.parquet is damaged, or holds no") as told:
        merged(**{name: (kind, value)})
    assert name in str(told.value) or "NaN" in str(told.value)


def test_bytes_that_no_text_has_are_refused_by_their_file(merged):
    with pytest.raises(SweepError, match=r"x\.parquet is damaged, or holds no"):
        merged(raw=(pa.binary(), b"\xff\xff"))


@pytest.mark.parametrize("name", ["key", "row", "text", "tokens", "finished", "raw"])
def test_a_missing_column_is_named(merged, name):
    with pytest.raises(SweepError, match=f"it has no column {name}"):
        merged(**{name: None})


@pytest.mark.parametrize("metadata", [None, b"{", b"\xff", b'"3', b"[" * 100_000])
def test_metadata_that_is_none_is_refused(merged, metadata):
    with pytest.raises(SweepError, match=r"x\.parquet is damaged"):
        merged(metadata)


def test_a_file_that_unpacks_to_more_than_fits_is_not_unpacked(merged, monkeypatch):
    monkeypatch.setattr(foreign, "MOST_ROWS", 1000)
    with pytest.raises(SweepError, match=r"1,001 rows.*accepted are 1,000"):
        merged(times=1001)
    monkeypatch.setattr(foreign, "MOST_ROWS", 10**6)
    monkeypatch.setattr(foreign, "LARGEST", 100)
    with pytest.raises(SweepError, match="bytes; accepted are"):
        merged(times=1001)


@pytest.mark.parametrize(
    "header", [b"", b"{", b"[]", b"3", b"[" * 100_000, b'{"schema": "1", "hash": 1}',
               b'{"schema": 1, "hash": "x", "plan": 3}', b"\xff"]
)  # fmt: skip
def test_a_header_that_is_none_is_refused(tmp_path, header):
    (tmp_path / "plan.json").write_bytes(header)
    with pytest.raises(SweepError):
        sweep(PLAN, tmp_path, resume=True, workers=1)
