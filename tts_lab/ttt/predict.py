"""Augmented inference: the task seen from several sides, answered, turned back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tts_lab.ladder.compiled import ensure
from tts_lab.ladder.engine import Engine
from tts_lab.ladder.model_folder import Model
from tts_lab.ladder.rows import Request, row_keys
from tts_lab.ladder.tokenizer import BOS, decode, encode
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
    prompt_tokens, generated_tokens : int
    """

    answers: tuple[Row, ...]
    seen: tuple[tuple[View, Row | None], ...]
    prompt_tokens: int
    generated_tokens: int

    def right(self, problem: Problem, *, within: int = 2) -> bool:
        """Whether one of the first answers is the problem's."""
        texts = [grids.trace_of(row) for row in self.answers[:within]]
        return any(grids.check(problem, text) for text in texts)


def predict(
    model: Model, problem: Problem, views: Sequence[View], *, threads: int | None = None
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
    generated = 0
    ensure()
    for written in Engine(model, threads=threads).write(requests):
        for number, tokens, count, ended in zip(
            written.request.tolist(), written.tokens, written.count, written.ended,
            strict=True,
        ):  # fmt: skip
            texts[number] = decode(tokens) if ended else ""
            generated += int(count)
    seen = []
    for view, text in zip(views, texts, strict=True):
        answer = grids.extract_answer(text)
        cells = None if answer is None else tuple(map(int, answer))
        seen.append((view, None if cells is None else view.back(cells)))
    answers = two_stage([(view.name, found) for view, found in seen])
    return Prediction(tuple(answers), tuple(seen), sum(map(len, prefixes)), generated)
