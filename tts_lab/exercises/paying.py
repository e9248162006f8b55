"""Checks of exercise 10: what adapting costs, and how many samples that would buy.

Promises: compares with 6 N FLOPs for a token that is trained on and 2 N for one that is
read or written (Snell et al. 2408.03314, sec. 7). Not covered: attention over the
context, which `tts_lab.ledger` counts, and the adapter's own parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from tts_lab.exercises.grading import Answer, Case, Mistake, grade
from tts_lab.exercises.report import Report

N = 812_160  # parameters of the rung in the exercise


def adaptation_flops(answer: Answer, seed: int) -> Report:
    """Check `adaptation_flops(parameters, trained, views, prompt, answer)`.

    `trained` is a triple: examples, tokens of each, epochs.
    """
    rng = np.random.default_rng(seed)
    names = ("parameters", "examples", "length", "epochs", "views", "prompt", "answer")
    given = [(1, 1, 1, 1, 0, 1, 1), (1, 0, 1, 1, 1, 10, 1), (10, 2, 3, 2, 2, 5, 3),
             (N, 64, 139, 2, 10, 155, 18), (N, 128, 139, 2, 1, 155, 18)]  # fmt: skip
    every: list[tuple[int, ...]] = [*given]
    every += [tuple(map(int, rng.integers(2, 60, 7))) for _ in range(3)]
    cases = [
        Case(dict(zip(names, one, strict=True)), float(_bill(*one))) for one in every
    ]
    return grade("adaptation_flops", answer, cases, mistakes=_BILLS)


def samples_bought(answer: Answer, seed: int) -> Report:
    """Check `samples_bought(flops, parameters, prompt, answer)`: a whole number."""
    rng = np.random.default_rng(seed)
    part = "a sample that is paid in part is not had: round down"
    none = "what does not pay for one sample buys none: 0, and no negative number"
    given = [
        ({"flops": 2 * 10 * (5 + 40 * 4), "parameters": 10, "prompt": 5, "answer": 4},
         ""),
        ({"flops": 2 * 10 * (5 + 4) + 79, "parameters": 10, "prompt": 5, "answer": 4},
         part),
        ({"flops": 2 * 10 * 8, "parameters": 10, "prompt": 5, "answer": 4}, none),
        ({"flops": 60, "parameters": 10, "prompt": 50, "answer": 4}, none),
    ]  # fmt: skip
    for _ in range(4):
        parameters, prompt = (int(x) for x in rng.integers(50, 900, 2))
        answer_, many = int(rng.integers(5, 40)), int(rng.integers(30, 900))
        change = int(rng.integers(1, answer_))
        flops = 2 * parameters * (prompt + many * answer_ + change)
        case = {"flops": flops, "parameters": parameters, "prompt": prompt,
                "answer": answer_}  # fmt: skip
        given.append((case, ""))
    cases = [Case(one, _bought(**one), hint) for one, hint in given]
    return grade("samples_bought", answer, cases, mistakes=_PURCHASES)


def _bill(
    parameters: int,
    examples: int,
    length: int,
    epochs: int,
    views: int,
    prompt: int,
    answer: int,
    *,
    train: int = 6,
    use: int = 2,
) -> int:
    trained = examples * length * epochs
    used = views * (prompt + answer)
    return parameters * (train * trained + use * used)


def _changed(
    change: Mapping[str, int], *, train: int = 6, use: int = 2
) -> Callable[..., int]:
    """A bill in which some of the numbers are others."""

    def imitate(
        parameters: int, examples: int, length: int, epochs: int, views: int,
        prompt: int, answer: int,
    ) -> int:  # fmt: skip
        given = {"parameters": parameters, "examples": examples, "length": length,
                 "epochs": epochs, "views": views, "prompt": prompt,
                 "answer": answer}  # fmt: skip
        return _bill(**{**given, **change}, train=train, use=use)

    return imitate


_BILLS = (
    Mistake(
        "the epochs are forgotten: every example is read once in each",
        _changed({"epochs": 1}),
    ),
    Mistake(
        "one view answers; each of them reads its own prompt and writes an answer",
        _changed({"views": 1}),
    ),
    Mistake(
        "the prompts of the views are free: every token that is read costs 2 N too",
        _changed({"prompt": 0}),
    ),
    Mistake(
        "the answers are free: a token that is written costs 2 N, like one that is "
        "read",
        _changed({"answer": 0}),
    ),
    Mistake(
        "the prompt is read once for all views: each view's prompt is another text",
        lambda parameters, examples, length, epochs, views, prompt, answer: (
            parameters
            * (6 * examples * length * epochs + 2 * (prompt + views * answer))
        ),
    ),
    Mistake(
        "training costs 2 N a token here, as if there were no backward pass: it is 6 N",
        _changed({}, train=2),
    ),
    Mistake(
        "answering costs 6 N a token here, as if the model still learnt: it is 2 N",
        _changed({}, use=6),
    ),
    Mistake(
        "6 and 2 have changed places: training costs 6 N a token, inference 2 N",
        _changed({}, train=2, use=6),
    ),
    Mistake(
        "the backward pass alone is counted: 4 N; forward it is 2 N more",
        _changed({}, train=4),
    ),
    Mistake(
        "each example counts as one token: it has `length` of them",
        _changed({"length": 1}),
    ),
    Mistake("answering is left out of the bill", _changed({"views": 0})),
    Mistake("training is left out of the bill", _changed({"examples": 0})),
    Mistake(
        "these are tokens: multiply by the parameters", _changed({"parameters": 1})
    ),
)


def _bought(flops: int, parameters: int, prompt: int, answer: int) -> int:
    return max(0, flops // (2 * parameters) - prompt) // answer


_PURCHASES = (
    Mistake(
        "the prompt is paid for with every sample; it is read once, and all samples go "
        "on from there",
        lambda flops, parameters, prompt, answer: (
            flops // (2 * parameters * (prompt + answer))
        ),
    ),
    Mistake(
        "the prompt is free here: it has to be read once",
        lambda flops, parameters, prompt, answer: flops // (2 * parameters * answer),
    ),
    Mistake(
        "a sample that is paid in part is not had: round down",
        lambda flops, parameters, prompt, answer: max(
            0, -(-(flops - 2 * parameters * prompt) // (2 * parameters * answer))
        ),
    ),
    Mistake(
        "rounded to the nearest number; a sample that is paid in part is not had: "
        "round down",
        lambda flops, parameters, prompt, answer: max(
            0, round((flops / (2 * parameters) - prompt) / answer)
        ),
    ),
    Mistake(
        "the FLOPs are divided by N; a token that is written costs 2 N",
        lambda flops, parameters, prompt, answer: max(
            0, (flops // parameters - prompt) // answer
        ),
    ),
    Mistake(
        "6 N is what a token costs in training; to write one costs 2 N",
        lambda flops, parameters, prompt, answer: max(
            0, (flops // (6 * parameters) - prompt) // answer
        ),
    ),
    Mistake(
        "these are tokens, not samples: divide by those of an answer",
        lambda flops, parameters, prompt, answer: max(
            0, flops // (2 * parameters) - prompt
        ),
    ),
    Mistake(
        "what does not pay for one sample buys none: 0, and no negative number",
        lambda flops, parameters, prompt, answer: (
            (flops - 2 * parameters * prompt) // (2 * parameters * answer)
        ),
    ),
    Mistake(
        "what does not pay for one sample buys none: 0, and no negative number",
        lambda flops, parameters, prompt, answer: int(
            (flops / (2 * parameters) - prompt) / answer
        ),
    ),
)
