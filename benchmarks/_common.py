"""What the benchmarks measure: systems that write rows, and the arithmetic alone.

Every system gets the same weights, prompts, temperature (1, no top-k, no top-p) and
limit of new tokens, and ends a row at the end-of-text token. Counted are the tokens
that it wrote, end-of-text included, padding not. One call writes `n` rows, spread
over `min(n, 16)` prompts.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
import time
from functools import cache
from pathlib import Path
from typing import Any, Protocol

# before NumPy: its products run in threads of ours, so each must keep to one
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
_VLLM = {  # a CPU build in this process; harmless elsewhere
    "HF_HUB_OFFLINE": "1",
    "TORCHDYNAMO_DISABLE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
}
for _variable, _value in _VLLM.items():
    os.environ.setdefault(_variable, _value)

import numpy as np  # noqa: E402
from numba import njit  # noqa: E402

from tts_lab import ladder, problems  # noqa: E402
from tts_lab.ladder import model_folder, tokenizer  # noqa: E402
from tts_lab.ladder.cores import cores  # noqa: E402
from tts_lab.ladder.decode import through  # noqa: E402
from tts_lab.ladder.engine import Engine  # noqa: E402
from tts_lab.ladder.packed import new_buffers  # noqa: E402
from tts_lab.proposers import Job  # noqa: E402

MAX_TOKENS = 96
CHUNK = 1024  # rows of one `generate` call: its key-value cache must fit in memory

PROMPTS = [
    problem.prompt
    for name, level in (("chains", 4), ("countdown", 3))
    for problem in problems.evaluation_set(name, level, 8)
]


class System(Protocol):
    name: str
    cap: int  # rows that one call writes at most

    def write(self, rows: int, call: int, threads: int, deadline: float) -> int:
        """Write rows; returns tokens. `call` chooses prompts and random streams."""


def spread(rows: int, call: int) -> list[tuple[str, int]]:
    """Prompts and how many rows each gets."""
    used = min(rows, len(PROMPTS))
    each, rest = divmod(rows, used)
    chosen = [PROMPTS[(call * 5 + i) % len(PROMPTS)] for i in range(used)]
    return [(prompt, each + (i < rest)) for i, prompt in enumerate(chosen)]


class Ours:
    """The package's proposer, as the driver calls it."""

    name, cap = "tts_lab", 10**9

    def __init__(self, folder: Path) -> None:
        self.load = cache(lambda threads: ladder.load(folder, threads=threads))

    def write(self, rows: int, call: int, threads: int, deadline: float) -> int:
        jobs = [
            Job(prompt, "", call * 100 + i, range(count), max_tokens=MAX_TOKENS)
            for i, (prompt, count) in enumerate(spread(rows, call))
        ]
        tokens = 0
        for samples in self.load(threads).propose(jobs):
            tokens += int(samples.tokens.sum())
            if time.perf_counter() > deadline:
                break  # the rows being written are lost: that counts against us
        return tokens


class Transformers:
    """`generate` on batches of up to 1,024 rows, padded on the left."""

    name, cap = "transformers", CHUNK

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoModelForCausalLM
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)

    def write(self, rows: int, call: int, threads: int, deadline: float) -> int:
        import torch

        torch.set_num_threads(threads)
        ids = [
            [tokenizer.BOS, *tokenizer.encode(prompt)]
            for prompt, count in spread(rows, call)
            for _ in range(count)
        ]
        width = max(map(len, ids))
        padding = [width - len(row) for row in ids]
        inputs = [
            [tokenizer.PAD] * n + row for n, row in zip(padding, ids, strict=True)
        ]
        mask = [[0] * n + [1] * (width - n) for n in padding]
        with torch.inference_mode():
            written = self.model.generate(
                torch.tensor(inputs),
                attention_mask=torch.tensor(mask),
                do_sample=True, temperature=1.0, top_k=0, top_p=1.0,
                max_new_tokens=MAX_TOKENS, eos_token_id=tokenizer.EOS,
                pad_token_id=tokenizer.PAD,
            )[:, width:]  # fmt: skip
        ended = (written == tokenizer.EOS).int().cumsum(1) > 0
        return int((~ended).sum() + ended.any(1).sum())


class VLLM:
    """vLLM's offline engine in this process, 64 rows side by side."""

    name, cap = "vLLM", CHUNK

    def __init__(self, folder: Path) -> None:
        from llvmlite.binding import ffi
        from vllm import LLM

        ffi.lib._fntab["__dict__"] = {}  # vLLM asks for it; what is there is a function
        self.llm = LLM(
            str(folder), dtype="float32", enforce_eager=True, block_size=32,
            max_model_len=256, max_num_seqs=64, kv_cache_memory_bytes=64 << 20,
        )  # fmt: skip

    def write(self, rows: int, call: int, threads: int, deadline: float) -> int:
        import torch
        from vllm import SamplingParams

        torch.set_num_threads(threads)
        prompts, parameters = [], []
        for prompt, count in spread(rows, call):
            ids = [tokenizer.BOS, *tokenizer.encode(prompt)]
            prompts.append({"prompt_token_ids": ids})
            parameters.append(
                SamplingParams(n=count, temperature=1.0, max_tokens=MAX_TOKENS)
            )
        results = self.llm.generate(prompts, parameters, use_tqdm=False)
        return sum(len(o.token_ids) for result in results for o in result.outputs)


def systems(folder: Path) -> tuple[list[System], list[str]]:
    """What can be measured here, and notes on what cannot."""
    found: list[System] = [Ours(folder)]
    notes = []
    for kind, needed in ((Transformers, ("torch", "transformers")), (VLLM, ("vllm",))):
        missing = [name for name in needed if importlib.util.find_spec(name) is None]
        if missing:
            notes.append(f"{kind.name} was not measured: {missing[0]} is not installed")
        else:
            found.append(kind(folder))
    return found, notes


def rate(
    system: System, n: int, threads: int, seconds: float, longest: float
) -> tuple[float, int]:
    """Tokens a second over calls of n rows, for at least `seconds`; rows of a call."""
    rows = min(n, system.cap)
    tokens = calls = 0
    start = time.perf_counter()
    while not calls or time.perf_counter() - start < seconds:
        tokens += system.write(rows, calls, threads, start + longest)
        calls += 1
    return tokens / (time.perf_counter() - start), rows


# The arithmetic limit: the matrix products of one forward pass and nothing else


@njit(nogil=True, error_model="numpy")
def _packed(w, buffers, rows, repeats):  # type: ignore[no-untyped-def]
    for _ in range(repeats):
        for layer in range(w.norm1.shape[0]):
            through(buffers.normed, w.qkv, layer, buffers.qkv, rows, False)
            through(buffers.mixed, w.out, layer, buffers.x, rows, False)
            through(buffers.normed, w.gate_up, layer, buffers.gate_up, rows, False)
            through(buffers.product, w.down, layer, buffers.x, rows, False)
        through(buffers.normed, w.head, 0, buffers.logits, rows, False)


class Limit:
    """Tokens a second if a model were nothing but its matrix products.

    With the engine's own packed products and with NumPy's BLAS, in blocks of several
    sizes; the largest rate counts.
    """

    def __init__(self, folder: Path) -> None:
        self.engine = Engine(model_folder.read(folder), threads=1)
        w, model = self.engine.model.weights, self.engine.model
        layers = [
            [f"self_attn.{p}_proj" for p in "qkv"], ["self_attn.o_proj"],
            ["mlp.gate_proj", "mlp.up_proj"], ["mlp.down_proj"],
        ]  # fmt: skip
        self.matrices = [
            np.concatenate([w[f"model.layers.{i}.{p}.weight"].T for p in group], axis=1)
            for i in range(model.layers)
            for group in layers
        ]
        head = w.get("lm_head.weight", w["model.embed_tokens.weight"])
        self.matrices.append(np.ascontiguousarray(head.T))

    def rate(self, n: int, threads: int, seconds: float) -> tuple[float, str]:
        """Tokens a second for n rows on so many threads, and what reached it."""
        used = min(threads, n)
        sizes = sorted({min(-(-n // used), block) for block in (16, 64, 256)})
        found = {
            f"{kind}, {rows} rows": self._run(kind, rows, used, seconds)
            for kind in ("packed", "BLAS")
            for rows in sizes
        }
        best = max(found, key=lambda what: found[what])
        return found[best], best

    def _run(self, kind: str, rows: int, threads: int, seconds: float) -> float:
        done = [0] * threads
        ready = threading.Barrier(threads + 1)

        def work(index: int) -> None:
            make = self._packed if kind == "packed" else self._blas
            once, repeats = make(rows)
            once()
            ready.wait()
            while time.perf_counter() < end:
                once()
                done[index] += repeats * rows

        end = time.perf_counter() + 3600
        pool = [threading.Thread(target=work, args=(i,)) for i in range(threads)]
        for thread in pool:
            thread.start()
        ready.wait()
        start = time.perf_counter()
        end = start + seconds
        for thread in pool:
            thread.join()
        return sum(done) / (time.perf_counter() - start)

    def _packed(self, rows: int) -> tuple[Any, int]:
        buffers = new_buffers(self.engine.model, rows)
        for array in buffers:
            if array.dtype == np.float32:
                array[:] = 0.1
        repeats = max(1, 20_000_000 // (rows * self.engine.model.parameters))
        weights = self.engine.weights
        return lambda: _packed(weights, buffers, rows, repeats), repeats

    def _blas(self, rows: int) -> tuple[Any, int]:
        jobs = []
        for matrix in self.matrices:
            inputs = np.full((rows, len(matrix)), 0.1, np.float32)
            jobs.append((inputs, matrix, np.empty((rows, matrix.shape[1]), np.float32)))

        def once() -> None:
            for inputs, matrix, out in jobs:
                np.matmul(inputs, matrix, out=out)

        return once, 1


def threads_wanted(texts: list[str]) -> list[int]:
    """`["1", "all"]` as numbers, each once."""
    if not set(texts) <= {"1", "all"}:
        raise SystemExit(f"--threads is {texts}; accepted are 1 and all")
    return sorted({1 if text == "1" else cores() for text in texts})


def folders_wanted(rungs: list[str]) -> dict[str, Path]:
    """The folders of rungs, by name; a folder may stand for a rung."""
    found = {}
    for rung in rungs:
        path = ladder.path(rung) if rung in ladder.names() else Path(rung)
        if not path.is_dir():
            raise SystemExit(f"{rung!r} is no folder and no rung of {ladder.names()}")
        found[path.name] = path
    return found


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
