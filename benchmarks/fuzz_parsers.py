"""Guided fuzzing of the parsers with atheris; optional, and no part of the suite.

    pip install atheris
    python benchmarks/fuzz_parsers.py answers -max_total_time=600

Targets: answers, rows, table, plan, config, weights, stream. What follows the target
goes to libFuzzer; new inputs are kept in a folder if one is named. Each target begins
with a few inputs that it accepts, since chance alone does not find JSON. An input that
breaks a parser is written to `crash-...` and its traceback shown. A parser may refuse
an input with a ValueError or OSError, and with nothing else.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["tts_lab", "tomllib", "json"]):
    import json
    import tomllib  # noqa: F401  (instrumented)

    from tts_lab import importers, ladder, memory, problems, published
    from tts_lab.ladder import model_folder
    from tts_lab.problems import expressions, sources, text
    from tts_lab.problems.text import clean, stated
    from tts_lab.proposers import checkpoints
    from tts_lab.proposers.endpoint import Endpoint, EndpointError
    from tts_lab.proposers.endpoint_limits import Lines
    from tts_lab.proposers.streams import Ask, _Choice
    from tts_lab.sweeps import plan as plans

PROBLEMS = [problems.evaluation_set(name, 1, 1)[0] for name in problems.DOMAINS]
FOLDER = Path(tempfile.mkdtemp())
MODEL = Path(shutil.copytree(ladder.path("27k"), FOLDER / "model"))


def answers(data: bytes) -> None:
    """Whatever a model writes."""
    written = data.decode(
        "utf-8", "surrogatepass" if data[:1] == b"\xed" else "replace"
    )
    for problem in PROBLEMS:
        domain = problems.domain(problem.domain)
        domain.check(problem, written)
        domain.render(problem, written)
    stated(written), clean(written), text.as_text(written)
    expressions.parse(written)


def rows(data: bytes) -> None:
    """Problem files and published runs."""
    for suffix in (".json", ".jsonl"):
        path = FOLDER / f"some{suffix}"
        path.write_bytes(data)
        for use in (sources.load, *(_reads(format) for format in importers.FORMATS)):
            with suppress(ValueError, OSError):
                use(path)


def table(data: bytes) -> None:
    """Published tables."""
    found = published.parsed(data.decode("utf-8", "replace"))
    for name in found.rows[0] if found.rows else ():
        found.column(name)


def plan(data: bytes) -> None:
    """Plan files of sweeps."""
    path = FOLDER / "plan.toml"
    path.write_bytes(data)
    found = plans.read(path)
    json.dumps(found.public())
    for model in (*found.policies, *found.verifiers):
        assert not set("/\\=") & set(model.name) and not model.name.startswith(".")


def config(data: bytes) -> None:
    """A model's `config.json`."""
    (MODEL / "config.json").write_bytes(data)
    _looks()


def weights(data: bytes) -> None:
    """Safetensors."""
    (MODEL / "model.safetensors").write_bytes(data)
    _looks()


def _looks() -> None:
    for use in (
        model_folder.read, checkpoints.size_of, checkpoints.headers,
        checkpoints.fingerprint, memory.needs,
    ):  # fmt: skip
        with suppress(ValueError, OSError):
            use(MODEL)


def stream(data: bytes) -> None:
    """What a server streams; the errors are those that `streams` catches."""
    endpoint, lines, choice = Endpoint("http://h"), Lines(), _Choice()
    ask = Ask(0, range(1), lambda first, count: {}, delimiter="\n", cut=True)
    for start in range(0, len(data), 7):
        for line in lines.add(data[start : start + 7]):
            if not line.startswith(b"data:"):
                continue
            with suppress(EndpointError, LookupError, TypeError, ValueError,
                          AttributeError):  # fmt: skip
                for piece in endpoint._event("http://h", line[5:])["choices"]:
                    choice.take(piece, ask)


def _reads(format: str) -> Callable[[Path], object]:
    return lambda path: importers.read(path, format)


TARGETS = {"answers": answers, "rows": rows, "table": table, "plan": plan,
           "config": config, "weights": weights, "stream": stream}  # fmt: skip
SEEDS: dict[str, list[bytes]] = {
    "answers": [b"47+38=85\n#85", b"So $x = \\boxed{\\frac{1}{2}}$.", b"#### 1,000",
                b"The final answer is $2$. I hope it is correct.", b"x*2+3"],
    "rows": [json.dumps(one).encode() for one in (
        {"problem": "6*7?", "answer": "42", "level": 3},
        {"question": "6*7?", "answer": "6*7=42\n#### 42"},
        {"problem": "Half?", "answer": "1/2", "level": 3, "completions": ["a", "b"],
         "scores": [[0.9, 0.2], [0.5]], "completion_tokens": [3, 4]},
        {"question": "Half?", "groundtruth": "1/2", "output": [
            {"text": "a\u043a\u0438\n", "value": [0.5], "token_history": [3],
             "completion_tokens": 3}]},
        {"question": "Half?", "samples": ["a", "b"], "is_corrects": [True, False],
         "gt_answer": "1/2"},
    )],
    "table": [b"# source: a paper\nk,share\n1,0.5\n2,\"0.7\"\n"],
    "plan": [b'policies = ["105k"]\nverifiers = ["exact"]\nstrategies = ["beam"]\n'
             b'budgets = [4, 16]\nproblems = ["chains:5:50"]\nseeds = [0]\n'
             b'rule = "majority"\ntemperature = 0.5\n[[policies.x]]\nname = "a"\n'],
    "config": [(ladder.path("27k") / "config.json").read_bytes()],
    "weights": [(ladder.path("27k") / "model.safetensors").read_bytes()[:6000]],
    "stream": [b'data: {"choices": [{"index": 0, "text": "4", "token_ids": [3], '
               b'"logprobs": {"token_logprobs": [-1.5]}, "finish_reason": "stop"}], '
               b'"usage": {"completion_tokens": 3}}\n\ndata: [DONE]\n'],
}  # fmt: skip


def main() -> None:
    name = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    if name not in TARGETS:
        sys.exit(f"target {name!r} is unknown; there are {sorted(TARGETS)}")
    target, seeds = TARGETS[name], FOLDER / "seeds"
    seeds.mkdir()
    for number, seed in enumerate(SEEDS[name]):
        (seeds / str(number)).write_bytes(seed)

    def refused_or_read(data: bytes) -> None:
        try:
            target(data)
        except (ValueError, OSError) as error:
            assert str(error)

    atheris.Setup([*sys.argv, str(seeds)], refused_or_read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
