"""A beam search on our engine beside the same search through transformers.

    python benchmarks/search.py [--json [PATH]] [--problems 100] [--n 64] [--rounds 3]

The same generator, driver, weights, problems and seed; only who writes and who reads
differ: the package's proposer and PRM, or `generate` of transformers (batches of up to
1,024 rows, padded on the left, stopped at the line feed, with its key-value cache) and
its token classification. transformers is measured twice: with the driver merging the
requests of all problems into one call, as ours are, and problem by problem, as search
is usually written. Systems are measured in turns; the ratio is the median of each
round's. Accuracy is printed: samples differ, the search does not.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any

import numpy as np
from _common import CHUNK, say

from tts_lab import ladder, problems
from tts_lab.ladder import tokenizer
from tts_lab.prm import spans, train
from tts_lab.problems import domain
from tts_lab.proposers import Job, Samples
from tts_lab.run import run
from tts_lab.select import best_of_n
from tts_lab.strategies import beam_search
from tts_lab.traces import Trace
from tts_lab.verifiers.prm import PRM

NEWLINE = tokenizer.encode("\n")[0]
BAR = 20.0


def padded(rows: Sequence[bytes], *, left: bool) -> tuple[np.ndarray, np.ndarray]:
    """Token ids and attention mask."""
    width = max(map(len, rows))
    ids = np.full((len(rows), width), tokenizer.PAD, np.int64)
    mask = np.zeros((len(rows), width), np.int64)
    for i, row in enumerate(rows):
        part = slice(width - len(row), width) if left else slice(0, len(row))
        ids[i, part] = list(row)
        mask[i, part] = 1
    return ids, mask


class TransformersWriter:
    """A proposer on `generate`."""

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoModelForCausalLM

        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        ours = ladder.load(folder)
        self.name, self.size = "transformers", ours.size
        self.fingerprint, self.count_tokens = "transformers", ours.count_tokens

    def propose(
        self, jobs: Sequence[Job], *, cancel: Event | None = None
    ) -> Iterator[Samples]:
        import torch

        flat = [(i, row) for i, job in enumerate(jobs) for row in job.rows]
        start = bytes([tokenizer.BOS])
        for first in range(0, len(flat), CHUNK):
            part = flat[first : first + CHUNK]
            prefixes = [
                start + tokenizer.encode(jobs[i].prompt + jobs[i].text) for i, _ in part
            ]
            ids, mask = padded(prefixes, left=True)
            with torch.inference_mode():
                written = self.model.generate(
                    torch.from_numpy(ids), attention_mask=torch.from_numpy(mask),
                    do_sample=True, temperature=1.0, top_k=0, top_p=1.0,
                    max_new_tokens=64, eos_token_id=[tokenizer.EOS, NEWLINE],
                    pad_token_id=tokenizer.PAD,
                )[:, ids.shape[1] :].numpy()  # fmt: skip
            texts, counts, ended = [], [], []
            for row in written:
                stop = np.flatnonzero((row == tokenizer.EOS) | (row == NEWLINE))
                count = int(stop[0]) + 1 if len(stop) else len(row)
                done = len(stop) > 0 and row[stop[0]] == tokenizer.EOS
                kept = row[: count - 1] if done else row[:count]
                texts.append(tokenizer.decode(bytes(kept.tolist())))
                counts.append(count)
                ended.append(done)
            yield Samples(
                job=np.array([i for i, _ in part], np.int32),
                row=np.array([row for _, row in part], np.int64),
                text=texts,
                tokens=np.array(counts, np.int32),
                finished=np.array(ended, np.bool_),
                logprob=np.zeros(len(part), np.float32),
            )


class TransformersReader:
    """The PRM on a transformers forward pass: the score of the last step."""

    name = "transformers PRM"

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoModelForTokenClassification

        self.model = AutoModelForTokenClassification.from_pretrained(
            folder, dtype=torch.float32
        )

    def verify(self, traces: Sequence[Trace]) -> list[float]:
        import torch

        scores: list[float] = []
        for first in range(0, len(traces), CHUNK):
            part = traces[first : first + CHUNK]
            ids, mask = padded([spans.encode(trace) for trace in part], left=False)
            with torch.inference_mode():
                logits = self.model(
                    torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)
                ).logits[:, :, 0]
            last = torch.tensor([int(spans.step_ends(trace)[-1]) for trace in part])
            found = logits.gather(1, last[:, None])[:, 0].sigmoid()
            scores += found.tolist()
        return scores

    def tokens(self, trace: Trace) -> int:
        return len(spans.encode(trace))


def search(
    some: list[Any], proposer: Any, verifier: Any, merged: bool, n: int, seed: int
) -> tuple[float, float, int]:
    """Seconds, accuracy and generated tokens."""
    began = time.perf_counter()
    outcomes = []
    for part in [some] if merged else [[problem] for problem in some]:
        outcomes += run(
            partial(beam_search, n=n, width=4),
            part, proposer=proposer, verifier=verifier, seed=seed,
        )  # fmt: skip
    seconds = time.perf_counter() - began
    right = 0
    for outcome in outcomes:
        traces = [trace for trace, _ in outcome.value]
        choice = best_of_n(traces, [score for _, score in outcome.value])
        check = domain(outcome.problem.domain).check
        right += choice is not None and check(outcome.problem, choice.trace.text)
    tokens = sum(outcome.ledger.generated_tokens for outcome in outcomes)
    return seconds, right / len(some), tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", nargs="?", const="artifacts/search.json", type=Path)
    parser.add_argument("--problems", type=int, default=100)
    parser.add_argument("--n", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--policy", default="105k")
    parser.add_argument("--verifier", default="prm-b")
    options = parser.parse_args()
    some = problems.evaluation_set("countdown", 3, options.problems)
    policy = ladder.path(options.policy)
    model = train.whole(train.shipped(options.verifier))
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / options.verifier
        train.export(model, folder)
        theirs = TransformersWriter(policy), TransformersReader(folder)
    systems = {
        "tts_lab": (ladder.load(policy), PRM(model), True),
        "transformers": (*theirs, True),
        "transformers, problem by problem": (*theirs, False),
    }
    for system in systems.values():  # compile, allocate, fill caches
        search(some[:2], *system, 4, 0)
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for number in range(options.rounds):
        for name, system in systems.items():
            took, accuracy, tokens = search(some, *system, options.n, number)
            seconds[name].append(took)
            say(
                f"round {number + 1}, {name}: {took:.1f} s, {tokens:,} tokens, "
                f"accuracy {accuracy:.2f}"
            )
    ratios = {
        name: statistics.median(
            b / a for a, b in zip(seconds["tts_lab"], took, strict=True)
        )
        for name, took in seconds.items()
    }
    print(f"beam search, n {options.n}, width 4, {options.problems} problems, "
          f"policy {options.policy}, verifier {options.verifier}")  # fmt: skip
    for name, ratio in ratios.items():
        print(f"{name}: {statistics.median(seconds[name]):.1f} s, ratio {ratio:.1f} "
              f"(bar {BAR:.0f})")  # fmt: skip
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        report = {"seconds": seconds, "ratios": ratios, **vars(options)}
        options.json.write_text(json.dumps(report, indent=1, default=str) + "\n")


if __name__ == "__main__":
    main()
