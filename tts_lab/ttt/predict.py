"""Augmented inference: the task seen from several sides, answered, turned back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event as Flag
from time import perf_counter

import numpy as np

from tts_lab.ladder.compiled import ensure
from tts_lab.ladder.engine import Engine
from tts_lab.ladder.model_folder import Model
from tts_lab.ladder.rows import Request, row_keys
from tts_lab.ladder.tokenizer import BOS, decode, encode
from tts_lab.ledger import Ledger
from tts_lab.problems import grids
from tts_lab.problems.transformations import Row
from tts_lab.traces import Problem
from tts_lab.ttt.views import View
from tts_lab.ttt.vote import two_stage


@dataclass(frozen=True)
class Prediction:
    """What was answered from each side, and what the votes made of it.

    Attributes
    ----------
    answers : tuple of rows
        The two that count, best first (pass@2).
    seen : tuple of (View, Row or None)
        Each view's answer, turned back.
    ledger : Ledger
        Of the answering.
    """

    answers: tuple[Row, ...]
    seen: tuple[tuple[View, Row | None], ...]
    ledger: Ledger

    @property
    def prompt_tokens(self) -> int:
        return self.ledger.prompt_tokens

    @property
    def generated_tokens(self) -> int:
        return self.ledger.generated_tokens

    def right(self, problem: Problem, *, within: int = 2) -> bool:
        """Whether one of the first answers is the problem's."""
        texts = [grids.trace_of(row) for row in self.answers[:within]]
        return any(grids.check(problem, text) for text in texts)


def predict(
    model: Model,
    problem: Problem,
    views: Sequence[View],
    *,
    threads: int | None = None,
    cancel: Flag | None = None,
) -> Prediction:
    """Answer greedily from each side, turn back, vote in two stages.

    Parameters
    ----------
    model : Model
    problem : Problem
        Of the grids domain.
    views : sequence of View
        One only leaves nothing to vote on.
    threads : int, optional
    cancel : threading.Event, optional
        When it is set, the sides that have not been answered yet are left without.

    Raises
    ------
    ValueError
        For a prompt that is no grid task, or no view.
    """
    demonstrations, row = grids.parse(problem.prompt)
    if not views:
        raise ValueError("views is empty; accepted is one view or more")
    prefixes = []
    for view in views:
        shown, asked = view.task(demonstrations, row)
        prompt = grids.prompt_of(shown, asked)
        prefixes.append(bytes([BOS]) + encode(prompt))
    requests = [
        Request(prefix, row_keys(0, range(1)), 0.0, len(row) + 2) for prefix in prefixes
    ]
    texts = [""] * len(views)
    counts = np.zeros(len(views), np.int64)
    ensure()
    began = perf_counter()
    for written in Engine(model, threads=threads).write(requests, cancel=cancel):
        for number, tokens, count, ended in zip(
            written.request.tolist(), written.tokens, written.count, written.ended,
            strict=True,
        ):  # fmt: skip
            texts[number] = decode(tokens) if ended else ""
            counts[number] = int(count)
    seen = []
    for view, text in zip(views, texts, strict=True):
        answer = grids.extract_answer(text)
        cells = None if answer is None else tuple(map(int, answer))
        seen.append((view, None if cells is None else view.back(cells)))
    answers = two_stage([(view.name, found) for view, found in seen])
    read = np.array([len(prefix) for prefix in prefixes])
    whole = read + counts
    ledger = Ledger(
        prompt_tokens=int(read.sum()), generated_tokens=int(counts.sum()),
        context_tokens=int((whole * (whole + 1) // 2).sum()), calls=len(views),
        seconds=perf_counter() - began,
    )  # fmt: skip
    return Prediction(tuple(answers), tuple(seen), ledger)
