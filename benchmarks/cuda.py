"""Measure the transformers proposer on CUDA against what the device could do at most.

    python benchmarks/cuda.py [--rungs 105k 1.5m] [--n 1 64 1024] [--seconds 5]
                              [--results benchmarks/RESULTS.md]
    python benchmarks/cuda.py --device cpu --small        # try the script; prints only

Rungs in float32, and a random Llama of 1.1 billion parameters in bfloat16, made on the
device. All `n` rows are written side by side. The limit is the smaller of two rates:
memory, where each step reads the weights once and every row's keys and values (the
bandwidth is that of a copy on the device), and arithmetic, two operations a parameter
and token (at the rate of a large matrix product). Both are measured in the same run.
Rewrites its own section of the results file and nothing else; where there is no CUDA
device it writes there that nothing was measured, unless figures stand there already.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from _common import MAX_TOKENS, say, spread

from tts_lab import ladder
from tts_lab.proposers import Job

HERE = Path(__file__).resolve().parent
BEGIN, END = "<!-- cuda.py writes from here -->", "<!-- to here -->"
NOT_MEASURED = (
    "Not measured: no CUDA device was there. On a machine with one,\n"
    "`python benchmarks/cuda.py` measures and writes this section."
)
#: shapes of random models; the first is TinyLlama's
LARGE = {"hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 22,
         "num_attention_heads": 32, "num_key_value_heads": 4,
         "vocab_size": 32_000}  # fmt: skip
SMALL = {"hidden_size": 128, "intermediate_size": 352, "num_hidden_layers": 2,
         "num_attention_heads": 4, "num_key_value_heads": 2,
         "vocab_size": 1_000}  # fmt: skip


def rewrite(path: Path, text: str, *, over_figures: bool = True) -> bool:
    """Put text between the marks of the file; whether that was done.

    Raises
    ------
    ValueError
        If the file has not both marks.
    """
    whole = path.read_text()
    before, begin, rest = whole.partition(BEGIN)
    old, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{path} lacks {BEGIN!r} or {END!r}; both are needed")
    if "|" in old and not over_figures:
        return False
    path.write_text(f"{before}{BEGIN}\n{text.strip()}\n{END}{after}")
    return True


def rate(once: Callable[[], None], work: float, device: str, seconds: float) -> float:
    """`work` a second, of calls for so many seconds; the median of five parts."""
    found = []
    once()
    wait(device)
    for _ in range(5):
        start, calls = time.perf_counter(), 0
        while not calls or time.perf_counter() - start < seconds / 5:
            once()
            wait(device)
            calls += 1
        found.append(work * calls / (time.perf_counter() - start))
    return statistics.median(found)


def wait(device: str) -> None:
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize()


def bandwidth(device: str, small: bool, seconds: float) -> float:
    """Bytes a second of a copy on the device, read and written."""
    import torch

    source = torch.ones(2**22 if small else 2**29, dtype=torch.bfloat16, device=device)
    target = torch.empty_like(source)
    return rate(lambda: target.copy_(source), 2 * source.nbytes, device, seconds)


def arithmetic(device: str, dtype: Any, small: bool, seconds: float) -> float:
    """Operations a second of a large square matrix product."""
    import torch

    side = 512 if small else 8192
    matrix = torch.ones(side, side, dtype=dtype, device=device) / side
    out = torch.empty_like(matrix)
    return rate(lambda: torch.mm(matrix, matrix, out=out), 2 * side**3, device, seconds)


def random_llama(folder: Path, shape: dict[str, int], device: str) -> None:
    """A checkpoint of random weights with the ladder's tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        **shape, max_position_embeddings=2048, tie_word_embeddings=False,
        bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    config.dtype = torch.bfloat16
    torch.manual_seed(0)
    with torch.device(device):
        model = LlamaForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(folder)
    for file in ladder.path("105k").glob("tokenizer*"):
        shutil.copy(file, folder)


def read_each_step(model: Any) -> tuple[int, int, int]:
    """Bytes of weights, bytes of keys and values a token, parameters used."""
    weights = {id(p): p for p in model.parameters()}
    embedding = model.get_input_embeddings().weight
    if model.get_output_embeddings().weight is not embedding:
        del weights[id(embedding)]  # of which a step reads a row a token
    config = model.config
    heads = config.num_key_value_heads
    per_head = 2 * config.num_hidden_layers * embedding.element_size()
    parameters = sum(p.numel() for p in weights.values())
    size = sum(p.nbytes for p in weights.values())
    return size, per_head * heads * config.head_dim, parameters


def measure(
    model: str | Path, name: str, options: argparse.Namespace, found: dict[str, float]
) -> list[dict[str, Any]]:
    """Tokens a second of one model at every n."""
    from tts_lab.proposers.transformers import Transformers

    rows = []
    for n in options.n:
        proposer = Transformers(model, device=options.device, batch=n)
        weights, per_token, parameters = read_each_step(proposer._reader.model)
        written = steps = seconds = context = 0.0
        call = 0
        while call < 2 or seconds < options.seconds:
            jobs = [
                Job(prompt, "", call + 100 * i, range(count), max_tokens=MAX_TOKENS)
                for i, (prompt, count) in enumerate(spread(n, call))
            ]
            start = time.perf_counter()
            tokens = [int(t) for s in proposer.propose(jobs) for t in s.tokens]
            took = time.perf_counter() - start
            if call:  # the first call allocates
                seconds, written = seconds + took, written + sum(tokens)
                steps += max(tokens)
                context += sum(
                    t * (proposer.count_tokens(jobs[0].prompt) + t / 2) for t in tokens
                )
            call += 1
        side_by_side = written / steps
        step = weights + side_by_side * context / written * per_token
        memory = side_by_side * found["bandwidth"] / step
        compute = found[proposer.dtype] / (2 * parameters)
        speed, limit = written / seconds, min(memory, compute)
        rows.append({
            "model": name, "parameters": proposer.size.parameters,
            "dtype": proposer.dtype, "n": n, "rate": speed, "limit": limit,
            "by": "memory" if memory < compute else "arithmetic",
            "notes": list(proposer.notes),
        })  # fmt: skip
        say(f"{name}, n {n}: {speed:,.0f} tokens/s of at most {limit:,.0f}")
        proposer.close()
    return rows


def markdown(report: dict[str, Any]) -> str:
    lines = [
        f"{report['device']}, torch {report['torch']}, transformers "
        f"{report['transformers']}, {report['date']}. A copy on the device moves "
        f"{report['bandwidth'] / 1e9:,.0f} GB/s; a matrix product does "
        f"{report['bfloat16'] / 1e9:,.0f} GFLOP/s in bfloat16 and "
        f"{report['float32'] / 1e9:,.0f} in float32.",
        "",
        "| model | parameters | dtype | n | tokens/s | limit, by | share of it |",
        "|---|---:|---|---:|---:|---:|---:|",
    ]
    for row in report["rows"]:
        lines.append(
            f"| `{row['model']}` | {row['parameters']:,} | {row['dtype']} "
            f"| {row['n']:,} | {row['rate']:,.0f} | {row['limit']:,.0f}, {row['by']} "
            f"| {row['rate'] / row['limit']:.1%} |"
        )
    notes = {note for row in report["rows"] for note in row["notes"]}
    return "\n".join([*lines, *([""] if notes else []), *sorted(notes)])


def run(options: argparse.Namespace) -> str:
    """Everything, as Markdown."""
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    cuda, small = options.device.startswith("cuda"), options.small
    part = options.seconds / 5
    found = {"bandwidth": bandwidth(options.device, small, part)}
    for dtype in (torch.bfloat16, torch.float32):
        name = str(dtype).removeprefix("torch.")
        found[name] = arithmetic(options.device, dtype, small, part)
    rows = []
    for rung in options.rungs:
        rows += measure(rung, rung, options, found)
    with TemporaryDirectory() as scratch:
        random_llama(Path(scratch), SMALL if small else LARGE, options.device)
        name = "random, small" if small else "random, 1.1b"
        rows += measure(scratch, name, options, found)
    return markdown({
        "device": torch.cuda.get_device_name() if cuda else options.device,
        "torch": torch.__version__, "transformers": transformers.__version__,
        "date": date.today().isoformat(), "rows": rows, **found,
    })  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rungs", nargs="*", default=["105k", "1.5m"])
    parser.add_argument("--n", nargs="+", type=int, default=[1, 64, 1024])
    parser.add_argument("--seconds", type=float, default=5.0,
                        help="of one measurement, at least")  # fmt: skip
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true",
                        help="a tiny random model, not the large one")  # fmt: skip
    parser.add_argument("--results", type=Path, default=HERE / "RESULTS.md")
    options = parser.parse_args()
    if min(options.n) < 1:
        parser.error(f"--n is {options.n}; accepted is 1 or more")
    import torch

    cuda = options.device.startswith("cuda")
    if cuda and not torch.cuda.is_available():
        done = rewrite(options.results, NOT_MEASURED, over_figures=False)
        kept = "says so" if done else "keeps its figures"
        say(f"no CUDA device; {options.results} {kept}")
        return
    text = run(options)
    print(text)
    if cuda and not options.small:  # trials are no results
        rewrite(options.results, text)
        say(f"wrote {options.results}")


if __name__ == "__main__":
    main()
