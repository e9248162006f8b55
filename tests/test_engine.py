"""The engine against the NumPy reference, on random models: no torch, no weights.

The reference computes every position anew; the engine must give its logits, its
tokens, and the same bits whatever rows, slots and threads surround a row.
"""

from __future__ import annotations

import json
import shutil
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file
from scipy import stats

from tts_lab import ladder
from tts_lab.ladder import compiled, decode, model_folder, reference, tokenizer
from tts_lab.ladder import engine as engine_module
from tts_lab.ladder.engine import Engine
from tts_lab.ladder.model_folder import Model, ModelError
from tts_lab.ladder.rows import Request, Written, row_keys
from tts_lab.ladder.tokenizer import BOS, EOS, VOCABULARY
from tts_lab.proposers import Job, Samples
from tts_lab.proposers.ladder import Ladder

#: hidden, layers, intermediate, head_dim
SHAPES = [
    (32, 1, 50, 32),
    (64, 2, 176, 32),
    (64, 2, 90, 64),
    (96, 3, 304, 32),
    (128, 3, 352, 64),
]


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    compiled.ensure(say=lambda text: None)


def random_model(
    hidden: int = 64,
    layers: int = 2,
    intermediate: int = 176,
    head_dim: int = 32,
    *,
    seed: int = 0,
    context: int = 256,
) -> Model:
    """Weights that give next-token distributions far from flat and from certain."""
    rng = np.random.default_rng(seed)

    def matrix(rows: int, columns: int, scale: float = 1.0) -> NDArray[np.float32]:
        values = rng.standard_normal((rows, columns)) * scale / np.sqrt(columns)
        return values.astype(np.float32)

    def norm() -> NDArray[np.float32]:
        return rng.uniform(0.5, 1.5, hidden).astype(np.float32)

    weights = {"model.embed_tokens.weight": matrix(len(VOCABULARY), hidden, 1.5)}
    for i in range(layers):
        layer = f"model.layers.{i}."
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            weights[f"{layer}self_attn.{name}.weight"] = matrix(hidden, hidden)
        for name in ("gate_proj", "up_proj"):
            weights[f"{layer}mlp.{name}.weight"] = matrix(intermediate, hidden)
        weights[f"{layer}mlp.down_proj.weight"] = matrix(hidden, intermediate)
        weights[f"{layer}input_layernorm.weight"] = norm()
        weights[f"{layer}post_attention_layernorm.weight"] = norm()
    weights["model.norm.weight"] = norm()
    return Model(
        "random", "0" * 32, hidden, layers, hidden // head_dim, intermediate,
        context, 10_000.0, 1e-5, weights,
    )  # fmt: skip


def narrow_model(alphabet: str, *, end: bool = True, seed: int = 0) -> Model:
    """A model that writes these characters only, and the end of text if `end`.

    Every embedding is long in dimension 0, so the last state is positive there, and
    an untied head turns that into a penalty for all other tokens.
    """
    model = random_model(32, 2, 50, seed=seed)
    rng = np.random.default_rng(seed + 1)
    embedding = 4 * model.weights["model.embed_tokens.weight"]
    embedding[:, 0] = 8.0
    head = rng.standard_normal((len(VOCABULARY), 32)).astype(np.float32) / 4
    head[:, 0] = -40.0
    head[list(tokenizer.encode(alphabet)) + [EOS] * end, 0] = 0.0
    changed = {"model.embed_tokens.weight": embedding, "lm_head.weight": head}
    return replace(model, weights=model.weights | changed)


def prefix_of(text: str) -> bytes:
    return bytes([BOS]) + tokenizer.encode(text)


def request(
    text: str = "47+38\n",
    rows: int = 8,
    *,
    temperature: float = 1.0,
    max_tokens: int = 400,
    until_step: bool = False,
    stream: int = 7,
) -> Request:
    keys = row_keys(stream, range(rows))
    return Request(prefix_of(text), keys, temperature, max_tokens, until_step)


class Row(NamedTuple):
    tokens: bytes
    count: int
    ended: bool
    logprob: bytes  # its bits

    @property
    def full(self) -> bytes:
        return self.tokens + bytes([EOS]) * self.ended


def rows_of(chunks: Iterable[Written]) -> dict[tuple[int, int], Row]:
    """What was written, by request and row; each row once."""
    found: dict[tuple[int, int], Row] = {}
    for chunk in chunks:
        for i, place in enumerate(zip(chunk.request, chunk.row, strict=True)):
            key = (int(place[0]), int(place[1]))
            assert key not in found
            found[key] = Row(
                chunk.tokens[i],
                int(chunk.count[i]),
                bool(chunk.ended[i]),
                chunk.logprob[i].tobytes(),
            )
    return found


def write(model: Model, requests: Sequence[Request], **options: object) -> list[Row]:
    """The rows in order of request and row."""
    options = {"threads": 1} | options
    found = rows_of(Engine(model, **options).write(requests))  # type: ignore[arg-type]
    assert len(found) == sum(len(r.keys) for r in requests)
    return [found[key] for key in sorted(found)]


def log_softmax(z: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    z = z.astype(np.float64) / (temperature or 1.0)
    z -= z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def continuation_logits(model: Model, prefix: bytes, row: Row) -> NDArray[np.float32]:
    """The reference's logits at each place where the row drew a token."""
    context = np.frombuffer(prefix + row.full[:-1], np.uint8).astype(np.int64)
    return reference.logits(model, context)[len(prefix) - 1 :]


# Compiled code


@pytest.mark.parametrize("other", ["place", "processor"])
def test_another_place_or_processor_is_compiled_for_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    """numba keys its code by both, and would compile again, in silence."""
    ours = compiled.folder()
    if other == "place":
        for name in compiled._SOURCES:
            shutil.copy(Path(compiled.__file__).with_name(name), tmp_path)
        monkeypatch.setattr(compiled, "__file__", str(tmp_path / "compiled.py"))
    else:
        monkeypatch.setattr("llvmlite.binding.get_host_cpu_name", lambda: "other")
    assert compiled.folder() != ours
    assert not compiled.is_cached()


# Logits and samples


@pytest.mark.parametrize("shape", SHAPES)
def test_logits_are_those_of_the_reference(shape: tuple[int, int, int, int]) -> None:
    model = random_model(*shape)
    rng = np.random.default_rng(0)
    lengths = [1, 2, 15, 16, 17, 31, 63, 64, 65, 130, 255, 3]
    prefixes = [bytes(rng.integers(0, 64, n).tolist()) for n in lengths]
    found = Engine(model, threads=1).logits(prefixes)
    for prefix, z in zip(prefixes, found, strict=True):
        context = np.frombuffer(prefix, np.uint8).astype(np.int64)
        assert np.abs(z - reference.logits(model, context)[-1]).max() < 1e-4
    alone = [Engine(model, threads=1).logits([prefix])[0] for prefix in prefixes]
    assert np.array_equal(np.stack(alone), found)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
def test_tokens_are_those_of_the_reference(
    shape: tuple[int, int, int, int], temperature: float
) -> None:
    model = random_model(*shape, seed=1)
    asked = request(rows=4, temperature=temperature, max_tokens=20)
    for key, row in zip(asked.keys, write(model, [asked]), strict=True):
        assert row.full == reference.sample(
            model, asked.prefix, key=int(key), temperature=temperature, max_tokens=20
        )


@pytest.mark.parametrize("shape", SHAPES)
def test_every_token_is_where_its_random_number_falls(
    shape: tuple[int, int, int, int],
) -> None:
    """Long rows, by teacher forcing; numbers at a boundary may fall on either side."""
    model = random_model(*shape, seed=2)
    asked = request("1 2 3>6\n", rows=30, temperature=0.9)
    for key, row in zip(asked.keys, write(model, [asked]), strict=True):
        z = continuation_logits(model, asked.prefix, row)
        reached = np.exp(log_softmax(z, 0.9)).cumsum(-1)
        u = np.array([reference.uniform(int(key), t) for t in range(row.count)])
        drawn = np.arange(row.count), np.frombuffer(row.full, np.uint8)
        assert (u < reached[drawn] + 1e-5).all()
        below = np.concatenate([np.zeros((row.count, 1)), reached], axis=1)
        assert (u > below[drawn] - 1e-5).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_temperature_0_is_the_chain_of_likeliest_tokens(
    shape: tuple[int, int, int, int],
) -> None:
    model = random_model(*shape, seed=3)
    asked = [request(text, 2, temperature=0.0) for text in ("1+1\n", "", "9*9-7\n")]
    rows = write(model, asked)
    for i, row in enumerate(rows):
        assert row == rows[i - i % 2]  # whatever the random stream
        z = continuation_logits(model, asked[i // 2].prefix, row)
        chosen = z[np.arange(row.count), np.frombuffer(row.full, np.uint8)]
        assert (z.max(-1) - chosen < 1e-4).all()
        assert row.ended or len(asked[i // 2].prefix) + row.count == model.context


@pytest.mark.parametrize("temperature", [0.0, 0.3, 1.0, 2.5])
def test_logprob_is_at_the_temperature_drawn_with(temperature: float) -> None:
    model = random_model(96, 3, 304, seed=4)
    asked = request(rows=10, temperature=temperature, max_tokens=120)
    for row in write(model, [asked]):
        logp = log_softmax(continuation_logits(model, asked.prefix, row), temperature)
        total = logp[np.arange(row.count), np.frombuffer(row.full, np.uint8)].sum()
        assert np.frombuffer(row.logprob, np.float32)[0] == pytest.approx(
            total, abs=2e-3, rel=1e-5
        )


def test_random_streams_are_those_of_the_reference() -> None:
    for stream in (0, 1, 2**63, 2**64 - 1):
        keys = row_keys(stream, range(3, 50, 7))
        assert [int(k) for k in keys] == [
            reference.row_key(stream, row) for row in range(3, 50, 7)
        ]
    many = np.concatenate([row_keys(s, range(50_000)) for s in range(5)])
    assert len(np.unique(many)) == len(many)


# Distributions


def chi_square(observed: NDArray[np.int64], expected: NDArray[np.float64]) -> float:
    """The p-value, outcomes expected fewer than five times taken together."""
    rare = expected < 5
    assert observed[expected == 0].sum() == 0
    o = np.append(observed[~rare], observed[rare].sum())
    e = np.append(expected[~rare], expected[rare].sum())
    if e[-1] < 5:
        o, e = o[:-1] + 0.0, e[:-1] * (o[:-1].sum() / e[:-1].sum())
    return float(stats.chisquare(o, e * (o.sum() / e.sum())).pvalue)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_next_token_has_the_exact_distribution(temperature: float) -> None:
    model, n = random_model(64, 2, 90, 64, seed=5), 40_000
    asked = request(rows=n, temperature=temperature, max_tokens=1)
    drawn = [row.full[0] for row in write(model, [asked])]
    context = np.frombuffer(asked.prefix, np.uint8).astype(np.int64)
    z = reference.logits(model, context)[-1]
    p = np.exp(log_softmax(z, temperature))
    assert (n * p > 5).sum() > 15
    assert chi_square(np.bincount(drawn, minlength=64), n * p) > 1e-3
    flatter = np.exp(log_softmax(z, temperature * 1.1))
    assert chi_square(np.bincount(drawn, minlength=64), n * flatter) < 1e-3


def test_whole_texts_have_the_exact_joint_distribution() -> None:
    model, n, longest = narrow_model("ab\n"), 30_000, 4
    allowed = [*tokenizer.encode("ab\n"), EOS]
    prefix = prefix_of("47+38\n")
    exact: dict[bytes, float] = {}
    open_texts = {b"": 1.0}
    for _ in range(longest):
        following: dict[bytes, float] = {}
        for text, p in open_texts.items():
            context = np.frombuffer(prefix + text, np.uint8).astype(np.int64)
            share = np.exp(log_softmax(reference.logits(model, context)[-1], 1.0))
            assert share[allowed].sum() > 1 - 1e-9
            for token in allowed:
                kind = exact if token == EOS else following
                kind[text + bytes([token])] = p * float(share[token])
        open_texts = following
    exact |= open_texts
    asked = request(rows=n, max_tokens=longest)
    seen = Counter(row.full for row in write(model, [asked]))
    assert set(seen) <= set(exact) and len(exact) == 3**4 + 3**3 + 3**2 + 3 + 1
    texts = sorted(exact)
    p_value = chi_square(
        np.array([seen[t] for t in texts]), n * np.array([exact[t] for t in texts])
    )
    assert p_value > 1e-3


@pytest.mark.parametrize("other", ["next row", "next stream", "next token"])
def test_draws_are_independent(other: str) -> None:
    model, n = narrow_model("ab\n", end=False), 30_000
    asked = [request(rows=n, max_tokens=2, stream=s) for s in (7, 8)]
    texts = [row.full for row in write(model, asked)]
    one = np.array([t[0] for t in texts[:n]])
    two = {
        "next row": np.roll(one, 1),
        "next stream": np.array([t[0] for t in texts[n:]]),
        "next token": np.array([t[1] for t in texts[:n]]),
    }[other]
    table = stats.contingency.crosstab(one, two).count
    if other == "next token":  # it depends on the first through the model alone
        rates = []
        for token, counts in zip(np.unique(one), table, strict=True):
            context = np.frombuffer(asked[0].prefix + bytes([token]), np.uint8)
            z = reference.logits(model, context.astype(np.int64))[-1]
            p = np.exp(log_softmax(z, 1.0))[np.unique(two)]
            rates.append(chi_square(counts, p * counts.sum()))
        assert min(rates) > 1e-3
    else:
        assert stats.chi2_contingency(table).pvalue > 1e-3


# Results depend on nothing but the request


def mixed_requests() -> list[Request]:
    texts = ["47+38\n", "", "3 7 25>46\n", "1" * 100 + "\n", "9*9\n9*9=81\n", "a" * 254]
    return [
        request(
            text,
            rows,
            temperature=temperature,
            max_tokens=limit,
            until_step=step,
            stream=100 + i,
        )
        for i, (text, rows, temperature, limit, step) in enumerate(
            zip(
                texts * 2,
                [1, 70, 5, 13, 2, 3, 40, 1, 1, 9, 30, 1],
                [1.0, 0.8, 0.0, 1.3, 1.0, 1.0] * 2,
                [400, 60, 400, 100, 1, 400, 30, 400, 2, 400, 400, 400],
                [False, False, True] * 4,
                strict=True,
            )
        )
    ]


@pytest.fixture(scope="module")
def alone() -> tuple[Model, list[Request], list[Row]]:
    """A model, requests, and their rows, each row written on its own."""
    model = random_model(96, 2, 50, seed=6)
    requests = mixed_requests()
    engine = Engine(model, threads=1, slots=1)
    rows = []
    for asked in requests:
        for key in asked.keys:
            [row] = rows_of(engine.write([replace(asked, keys=key[None])])).values()
            rows.append(row)
    return model, requests, rows


@pytest.mark.parametrize("slots", [1, 5, 24, 64])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_rows_do_not_depend_on_slots_threads_and_company(
    alone: tuple[Model, list[Request], list[Row]], slots: int, threads: int
) -> None:
    model, requests, rows = alone
    assert write(model, requests, slots=slots, threads=threads) == rows


def test_rows_do_not_depend_on_the_order_of_requests(
    alone: tuple[Model, list[Request], list[Row]],
) -> None:
    model, requests, rows = alone
    order = np.random.default_rng(0).permutation(len(requests))
    engine = Engine(model, threads=2, slots=24)
    found = rows_of(engine.write([requests[i] for i in order]))
    again = rows_of(engine.write([requests[i] for i in order]))
    back = {(int(order[i]), row): what for (i, row), what in found.items()}
    assert [back[key] for key in sorted(back)] == rows
    assert found == again


def test_rows_do_not_depend_on_how_prefixes_are_cut_into_units(
    alone: tuple[Model, list[Request], list[Row]], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, requests, rows = alone
    monkeypatch.setattr(engine_module, "UNIT_ROWS", 7)
    monkeypatch.setattr(engine_module, "PREFIX_BYTES", 1)
    assert write(model, requests, slots=3, threads=2) == rows


def test_rows_do_not_depend_on_the_limit(
    alone: tuple[Model, list[Request], list[Row]],
) -> None:
    model, _, _ = alone
    long = write(model, [request(rows=50)])
    for limit in (1, 2, 33):
        for row, cut in zip(
            long, write(model, [request(rows=50, max_tokens=limit)]), strict=True
        ):
            assert cut.full == row.full[:limit]
            assert cut.count == min(limit, row.count)


# Where a row ends


def cut_after(row: Row, stops: list[str]) -> bytes:
    """What the row would be, had the first of these texts ended it."""
    found = [row.full.find(tokenizer.encode(s)) + len(s) for s in stops]
    ends = [end for end, s in zip(found, stops, strict=True) if end >= len(s)]
    return row.full[: min(ends, default=len(row.full))]


def test_a_tiny_temperature_is_greedy() -> None:
    [greedy] = write(random_model(), [request(rows=1, temperature=0.0, max_tokens=9)])
    [tiny] = write(random_model(), [request(rows=1, temperature=1e-40, max_tokens=9)])
    assert tiny.full == greedy.full


def test_until_step_ends_a_row_after_its_first_line() -> None:
    model = narrow_model("ab\n", seed=7)
    long = write(model, [request(rows=300)])
    short = write(model, [request(rows=300, until_step=True)])
    assert sum(row.tokens.count(b"\x03") > 1 for row in long) > 50
    for row, cut in zip(long, short, strict=True):
        assert cut.full == cut_after(row, ["\n"])
        assert cut.ended == (row.ended and cut.full == row.full)
        assert cut.count == len(cut.full)


def test_stop_texts_end_a_row_wherever_they_were_written() -> None:
    model = narrow_model("ab\n", seed=9)
    stops = ["bba", "b\n\nb", "bb\nbb\nb"]
    prefix = "47+38\na\nbb"  # a stop that began in the prompt is none
    for step in (False, True):
        asked = request(prefix, 400, until_step=step)
        long = write(model, [replace(asked, until_step=False)])
        short = write(model, [asked], stops=stops)
        lines = ["\n"] * step
        for row, cut in zip(long, short, strict=True):
            assert cut.full == cut_after(row, stops + lines)
        if not step:
            assert sum(r.full[:1] == tokenizer.encode("a") for r in short) > 20
            for stop in stops:
                assert sum(r.full.endswith(tokenizer.encode(stop)) for r in short) > 2


def test_one_token() -> None:
    rows = write(random_model(), [request(rows=200, max_tokens=1)])
    assert {row.count for row in rows} == {1}
    assert {len(row.full) for row in rows} == {1}
    assert all(row.ended == (row.full[0] == EOS) for row in rows)


@pytest.mark.parametrize("length", [1, 100, 254, 255])
def test_a_row_may_fill_the_context_to_its_last_place(length: int) -> None:
    model = narrow_model("ab", end=False)
    asked = request("1" * (length - 1), 5, max_tokens=10_000)
    for key, row in zip(asked.keys, write(model, [asked]), strict=True):
        assert row.count == len(row.tokens) == model.context - length
        assert not row.ended
        z = continuation_logits(model, asked.prefix, row)
        logp = log_softmax(z, 1.0)[np.arange(row.count), list(row.full)]
        assert np.frombuffer(row.logprob, np.float32)[0] == pytest.approx(
            logp.sum(), abs=1e-3, rel=1e-5
        )
        u = reference.uniform(int(key), row.count - 1)  # the very last draw
        reached = np.exp(log_softmax(z[-1], 1.0)).cumsum()
        last = row.full[-1]
        assert reached[last - 1] - 1e-5 < u < reached[last] + 1e-5


@pytest.mark.parametrize("length", [0, 256, 257, 1000])
def test_a_prefix_without_room_is_an_error(length: int) -> None:
    asked = replace(request(), prefix=(prefix_of("12") + b"\x09" * 1000)[:length])
    with pytest.raises(
        ValueError, match=f"prefix of {length} tokens.*random.*1 to 255"
    ):
        list(Engine(random_model(), threads=1).write([asked]))
    with pytest.raises(ValueError, match=f"prefix of {length} tokens"):
        Engine(random_model(), threads=1).logits([asked.prefix])


def test_nothing_asked_nothing_written() -> None:
    engine = Engine(random_model(), threads=2)
    assert list(engine.write([])) == []
    assert list(engine.write([request(rows=0), request(rows=0)])) == []
    assert len(rows_of(engine.write([request(rows=0), request(rows=3)]))) == 3


# Threads: cancel, closing, errors


def engine_threads(before: set[threading.Thread]) -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t not in before]


def cancel_seconds(requests: list[Request], model: Model, threads: int) -> float:
    """From setting `cancel` in another thread to the end of the iterator.

    In processor time per thread, so that what else the machine does counts little.
    """
    before = set(threading.enumerate())
    cancel, at = threading.Event(), []

    def set_it() -> None:
        at.append((time.perf_counter(), time.process_time()))
        cancel.set()

    engine = Engine(model, threads=threads, slots=24)
    timer = threading.Timer(0.15, set_it)
    timer.start()
    chunks = list(engine.write(requests, cancel=cancel))
    processor_seconds = time.process_time() - at[0][1]
    assert time.perf_counter() - at[0][0] < 20
    timer.join()
    assert engine_threads(before) == []
    found = rows_of(chunks)
    assert len(found) < sum(len(r.keys) for r in requests)
    for (i, number), row in list(found.items())[:20]:
        single = replace(requests[i], keys=requests[i].keys[number : number + 1])
        assert rows_of(engine.write([single])) == {(0, 0): row}
    return processor_seconds / threads


@pytest.mark.parametrize("threads", [1, 2])
def test_cancel_stops_at_once_and_gives_whole_rows_only(threads: int) -> None:
    requests = [request(rows=50_000)]
    tries = (cancel_seconds(requests, random_model(), threads) for _ in range(3))
    assert min(tries) < 0.05


def test_cancel_stops_while_prompts_are_read() -> None:
    requests = [request("1" * 24, 4, stream=i) for i in range(1500)]
    model = random_model(160, 5, 400)
    assert min(cancel_seconds(requests, model, 2) for _ in range(2)) < 0.1


def test_cancel_begins_no_further_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    cancel, calls = threading.Event(), []

    def counting(*arguments: object) -> None:
        calls.append(cancel.is_set())
        decode.prefill(*arguments)

    monkeypatch.setattr(engine_module, "prefill", counting)
    for _ in Engine(random_model(), threads=1).write(
        [request(rows=9000)], cancel=cancel
    ):
        cancel.set()
    assert calls == [False]


def test_cancel_before_the_start_writes_nothing() -> None:
    cancel = threading.Event()
    cancel.set()
    for threads in (1, 2):
        engine = Engine(random_model(), threads=threads)
        assert list(engine.write([request(rows=5000)], cancel=cancel)) == []


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_closing_the_iterator_stops_the_threads(threads: int) -> None:
    before = set(threading.enumerate())
    chunks = Engine(random_model(), threads=threads).write([request(rows=500_000)])
    next(chunks)
    assert threads == 1 or engine_threads(before)
    began = time.perf_counter()
    chunks.close()  # type: ignore[attr-defined]
    assert engine_threads(before) == []
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_in_a_thread_reaches_the_caller(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def failing(*arguments: object) -> bool:
        calls.append(1)
        if len(calls) > 5:
            raise MemoryError("no room in this test")
        return bool(decode.advance(*arguments))

    monkeypatch.setattr(engine_module, "advance", failing)
    before = set(threading.enumerate())
    with pytest.raises(MemoryError, match="no room in this test"):
        list(Engine(random_model(), threads=threads).write([request(rows=500_000)]))
    assert engine_threads(before) == []


def test_two_iterators_of_one_engine_at_the_same_time() -> None:
    engine = Engine(random_model(), threads=2, slots=4)
    asked = [request(rows=60), request("1+1\n", 90, stream=9)]
    together = list(zip_longest(*(engine.write([a]) for a in asked)))
    for i, one in enumerate(asked):
        found = rows_of(pair[i] for pair in together if pair[i] is not None)
        assert found == rows_of(engine.write([one]))


def test_memory_does_not_grow_with_the_number_of_rows() -> None:
    model = random_model(64, 2, 176)
    peaks = []
    for rows in (1_000, 10_000):
        asked = [request(rows=rows, max_tokens=60)]
        engine = Engine(model, threads=2, slots=24)
        tracemalloc.start()
        try:
            assert sum(len(chunk.row) for chunk in engine.write(asked)) == rows
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] + 500_000


def test_an_engine_keeps_no_more_caches_than_threads() -> None:
    engine = Engine(random_model(), threads=2, slots=4)
    for length in range(60, 0, -1):  # ever more room to write
        rows_of(engine.write([request("1" * length, 9, max_tokens=1000)]))
    assert len(engine._caches) <= 2


def test_threads_wait_for_a_slow_reader() -> None:
    engine = Engine(random_model(), threads=2)
    chunks = engine.write([request(rows=400_000, max_tokens=1)])
    tracemalloc.start()
    try:
        next(chunks)
        time.sleep(2)
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
        chunks.close()  # type: ignore[attr-defined]
    assert held < 5_000_000  # 64 chunks; all rows are several times as much


# The proposer


def drain(chunks: Iterable[Samples]) -> dict[tuple[int, int], tuple]:
    found: dict[tuple[int, int], tuple] = {}
    for chunk in chunks:
        for job, row, *what in zip(*chunk, strict=True):
            assert (int(job), int(row)) not in found
            found[int(job), int(row)] = tuple(what)
    return found


def test_the_proposer_gives_the_engines_rows() -> None:
    model = narrow_model("ab\n")
    proposer = Ladder(model, threads=2)
    jobs = [
        Job("47+38\n", "", 7, range(20)),
        Job("47+38\n", "ab\n", 7, range(3, 30, 4), until="step"),
        Job("1+1\n", "", 2**64 - 1, range(1000, 1003), temperature=0.0, max_tokens=9),
    ]
    found = drain(proposer.propose(jobs))
    assert set(found) == {(i, row) for i, job in enumerate(jobs) for row in job.rows}
    for (i, number), (text, tokens, finished, logprob) in found.items():
        job = jobs[i]
        key = np.array([reference.row_key(job.stream, number)], np.uint64)
        prefix = prefix_of(job.prompt + job.text)
        limit = job.max_tokens or 10_000
        asked = Request(prefix, key, job.temperature, limit, job.until == "step")
        [row] = write(model, [asked])
        assert text == tokenizer.decode(row.tokens)
        assert (int(tokens), bool(finished)) == (row.count, row.ended)
        assert np.float32(logprob).tobytes() == row.logprob
    assert proposer.count_tokens("47+38\n") == 7
    assert proposer.size.parameters == model.parameters
    assert drain(proposer.propose([])) == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": "47×38\n"}, r"'×' in '47×38\\n'.*newline, space and 0123456789\+"),
        ({"text": "Yes"}, "'Y' in .*abcdefghijklmnopqrstuvwxyz"),
        ({"temperature": -0.5}, r"temperature -0\.5.*0 \(greedy\) or more"),
        ({"temperature": float("nan")}, "temperature nan"),
        ({"temperature": float("inf")}, "temperature inf"),
        ({"max_tokens": 0}, "max_tokens 0.*1 or more"),
        ({"max_tokens": -4}, "max_tokens -4"),
        ({"prompt": "1+" * 130}, "prefix of 261 tokens.*1 to 255"),
    ],
)
def test_errors_of_the_proposer_quote_the_value(
    change: dict[str, object], message: str
) -> None:
    job = Job(
        **({"prompt": "1+1\n", "text": "", "stream": 0, "rows": range(2)} | change)
    )  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        list(Ladder(random_model()).propose([job]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, "threads is 0.*1 or more"),
        ({"threads": -2}, "threads is -2"),
        ({"slots": 0}, "slots is 0.*1 or more"),
        ({"stops": ["#", ""]}, r"stops are \[.*'#', ''\].*empty"),
        ({"stops": ["€"]}, "'€'.*vocabulary"),
    ],
)
def test_errors_of_the_engine_quote_the_value(
    options: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Engine(random_model(), **options)  # type: ignore[arg-type]


def test_the_tokenizer_reads_back_what_it_wrote() -> None:
    text = "".join(VOCABULARY[3:])
    assert len(VOCABULARY) == 64 and len(set(VOCABULARY)) == 64
    assert list(tokenizer.encode(text)) == list(range(3, 64))
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.decode(b"") == ""


# Folders


def config_of(model: Model) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": model.hidden,
        "num_hidden_layers": model.layers,
        "num_attention_heads": model.heads,
        "num_key_value_heads": model.heads,
        "intermediate_size": model.intermediate,
        "max_position_embeddings": model.context,
        "rms_norm_eps": model.epsilon,
        "rope_parameters": {"rope_theta": model.theta, "rope_type": "default"},
        "tie_word_embeddings": "lm_head.weight" not in model.weights,
        "vocab_size": len(VOCABULARY),
    }


def write_folder(
    folder: Path,
    model: Model,
    *,
    dtype: str = "float32",
    drop: Sequence[str] = (),
    tensors: dict[str, tuple[int, ...]] | None = None,
    **changes: object,
) -> Path:
    """A Hugging Face folder with the ladder's tokenizer."""
    folder.mkdir(exist_ok=True)
    config = {k: v for k, v in (config_of(model) | changes).items() if k not in drop}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer.hugging_face_json()))
    weights = {k: v.astype(dtype) for k, v in model.weights.items() if k not in drop}
    for name, shape in (tensors or {}).items():
        weights[name] = np.zeros(shape, dtype)
    save_file(weights, folder / "model.safetensors")
    return folder


def test_a_folder_is_read_back(tmp_path: Path) -> None:
    model = narrow_model("ab\n")
    read = model_folder.read(write_folder(tmp_path / "mine", model))
    assert (read.name, read.parameters) == ("mine", model.parameters)
    for field in ("hidden", "layers", "heads", "intermediate", "context", "theta"):
        assert getattr(read, field) == getattr(model, field)
    assert write(read, [request(rows=9)]) == write(model, [request(rows=9)])
    half = model_folder.read(write_folder(tmp_path / "half", model, dtype="float16"))
    assert {w.dtype for w in half.weights.values()} == {np.dtype(np.float32)}
    assert half.fingerprint != read.fingerprint
    again = model_folder.read(write_folder(tmp_path / "again", model))
    assert again.fingerprint == read.fingerprint
    old = {"rope_theta": 500.0, "rope_parameters": None}
    older = model_folder.read(write_folder(tmp_path / "old", model, **old))
    assert older.theta == 500.0 and older.fingerprint != read.fingerprint


def test_a_tied_model_ignores_a_stored_head(tmp_path: Path) -> None:
    """As transformers does."""
    model = random_model()
    stored = {"lm_head.weight": (64, model.hidden)}
    folder = write_folder(tmp_path / "mine", model, tensors=stored)
    read = model_folder.read(folder)
    assert write(read, [request(rows=9)]) == write(model, [request(rows=9)])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architectures": ["GPT2LMHeadModel"]}, "GPT2LMHeadModel.*LlamaForCausalLM"),
        ({"architectures": None}, "holds a None.*LlamaForCausalLM only"),
        ({"head_dim": 16, "num_attention_heads": 4}, "head_dim 16: a multiple of 32"),
        ({"num_attention_heads": 4, "num_key_value_heads": 4}, "head_dim 16"),
        ({"head_dim": 64}, "2 heads of 64 in a hidden size of 64"),
        ({"num_key_value_heads": 1}, "num_key_value_heads 1: grouped heads"),
        ({"vocab_size": 32_000}, "vocab_size 32000.*has 64"),
        ({"hidden_act": "gelu"}, "hidden_act 'gelu'.*'silu'"),
        ({"attention_bias": True}, "biases are not supported"),
        ({"mlp_bias": True}, "biases are not supported"),
        ({"rope_parameters": {"rope_type": "linear", "factor": 2}}, "'linear'.*'defau"),
        (
            {"rope_parameters": None, "rope_scaling": {"rope_type": "llama3"}},
            "'llama3'",
        ),
        (
            {"rope_parameters": None, "rope_scaling": {"type": "linear", "factor": 2}},
            "'linear'",
        ),
        (
            {"tie_word_embeddings": False, "tensors": {"lm_head.weight": (32, 64)}},
            r"lm_head\.weight is of shape \(32, 64\)",
        ),
        (
            {"tie_word_embeddings": False},
            r"lm_head\.weight is missing",
        ),
        ({"num_attention_heads": 0}, "num_attention_heads is 0; accepted is a number"),
        ({"hidden_size": "64"}, "hidden_size is '64'"),
        ({"num_hidden_layers": 2.5}, "num_hidden_layers is 2.5"),
        ({"rms_norm_eps": None}, "rms_norm_eps is None"),
        ({"drop": ["rms_norm_eps", "vocab_size"]}, "lacks rms_norm_eps, vocab_size"),
        ({"drop": ["model.norm.weight"]}, "model.norm.weight is missing"),
        ({"num_hidden_layers": 3}, r"model\.layers\.2\.\S+ is missing"),
        ({"intermediate_size": 90}, r"shape \(176, 64\), config.json says \(90, 64\)"),
    ],
)  # fmt: skip
def test_folders_of_other_families_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    folder = write_folder(tmp_path / "other", random_model(), **changes)
    with pytest.raises(ModelError, match=message) as caught:
        ladder.load(folder)
    assert "other" in str(caught.value)


def test_what_is_no_model_folder_is_refused(tmp_path: Path) -> None:
    for name in (tmp_path / "nothing", "2m"):
        with pytest.raises(ValueError, match=r"neither a rung nor a folder.*'105k'"):
            ladder.load(name)
    with pytest.raises(ModelError, match=r"not a model folder: it has no config\.json"):
        ladder.load(tmp_path)
    folder = write_folder(tmp_path / "mine", random_model())
    with pytest.raises(ValueError, match="tokens=6000000 is for rungs"):
        ladder.load(folder, tokens=6_000_000)
    with pytest.raises(ValueError, match="threads is 0"):
        ladder.load(folder, threads=0)
    words = folder / "tokenizer.json"
    ours = words.read_text()
    for other in (ours.replace('"a": 38', '"a": 39'), "[]", "{", "{}"):
        assert other != ours
        words.write_text(other)
        with pytest.raises(ModelError, match="is not the ladder's tokenizer"):
            ladder.load(folder)
    words.unlink()
    with pytest.raises(ModelError, match=r"it has no tokenizer\.json"):
        ladder.load(folder)
    words.write_text(ours)
    weights = folder / "model.safetensors"
    content = weights.read_bytes()
    for damaged in (b"", content[:100], content[:-1], b"\xff" * 500, content[8:]):
        weights.write_bytes(damaged)
        with pytest.raises(ModelError, match="cannot be read as safetensors"):
            ladder.load(folder)
    weights.unlink()
    with pytest.raises(ModelError, match=r"it has no model\.safetensors"):
        ladder.load(folder)
    weights.write_bytes(content)
    (folder / "config.json").write_text("[]")
    with pytest.raises(ModelError, match="holds a list, no object"):
        ladder.load(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelError, match="is not JSON"):
        ladder.load(folder)
