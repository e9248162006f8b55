"""What every proposer promises, on the same rung: one suite for all backends.

The built-in engine is one of them; truth is the NumPy reference of
`tts_lab.ladder.reference` and, for greedy texts, the engine that is checked against it
elsewhere. Backends whose arithmetic depends on the batch may differ in a row of ten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from functools import cache, partial
from threading import Event
from typing import Any, NamedTuple

import backends
import numpy as np
import pytest
from scipy.stats import chisquare

from tts_lab import ladder, problems
from tts_lab.ladder import model_folder, reference, tokenizer
from tts_lab.ladder.tokenizer import BOS, EOS
from tts_lab.proposers import Job, Samples
from tts_lab.run import run
from tts_lab.strategies import beam_search, repeated_sampling
from tts_lab.traces import Sampled
from tts_lab.verifiers.prm import PRM

CONTEXT = 256
ALIKE = 0.9  # of rows, where the same is asked again in another batch

PROMPTS = [
    problem.prompt
    for name, level in (("chains", 2), ("chains", 5), ("countdown", 3))
    for problem in problems.evaluation_set(name, level, 4)
]
COUNTDOWN = problems.evaluation_set("countdown", 5, 1)[0].prompt


@pytest.fixture(scope="module", params=backends.params())
def proposer(request: pytest.FixtureRequest) -> Iterator[Any]:
    with backends.OPEN[request.param]() as found:
        yield found


@pytest.fixture(scope="module")
def engine() -> Any:
    return ladder.load(backends.RUNG)


class Row(NamedTuple):
    text: str
    tokens: int
    finished: bool
    logprob: float


def rows_of(chunks: Iterable[Samples]) -> dict[tuple[int, int], Row]:
    """By job and row number; no row twice, arrays of one length."""
    found: dict[tuple[int, int], Row] = {}
    for chunk in chunks:
        assert len({len(column) for column in chunk}) == 1
        for job, row, text, tokens, finished, logprob in zip(*chunk, strict=True):
            assert (int(job), int(row)) not in found
            assert isinstance(text, str)
            found[int(job), int(row)] = Row(
                text, int(tokens), bool(finished), float(logprob)
            )
    return found


def write(proposer: Any, *jobs: Job) -> dict[tuple[int, int], Row]:
    found = rows_of(proposer.propose(jobs))
    assert set(found) == {(i, row) for i, job in enumerate(jobs) for row in job.rows}
    return found


def texts(proposer: Any, *jobs: Job) -> list[str]:
    found = write(proposer, *jobs)
    return [found[i, row].text for i, job in enumerate(jobs) for row in job.rows]


def alike(one: list[str], other: list[str]) -> float:
    assert len(one) == len(other)
    return float(np.mean([a == b for a, b in zip(one, other, strict=True)]))


def greedy(prompt: str, text: str = "", **options: Any) -> Job:
    return Job(prompt, text, 0, range(1), temperature=0.0, **options)


# What it says of itself


def test_size_context_and_tokens_are_those_of_the_rung(
    proposer: Any, engine: Any
) -> None:
    assert isinstance(proposer.name, str) and proposer.name
    assert proposer.fingerprint == proposer.fingerprint != ""
    assert proposer.size == engine.size
    assert proposer.context == engine.context == CONTEXT
    for prompt in PROMPTS:
        assert proposer.count_tokens(prompt) == engine.count_tokens(prompt)
        for text in ("1", "1+2=3\n", " 1 2 \n\n#"):
            expected = engine.count_tokens(prompt, text)
            assert proposer.count_tokens(prompt, text) == expected


# Texts


def test_greedy_texts_are_those_of_the_engine(proposer: Any, engine: Any) -> None:
    jobs = [greedy(prompt) for prompt in PROMPTS]
    found, expected = write(proposer, *jobs), write(engine, *jobs)
    for key, row in expected.items():
        assert found[key][:3] == row[:3]
        assert found[key].logprob == pytest.approx(row.logprob, abs=0.01)


def test_log_probabilities_are_those_of_the_reference(proposer: Any) -> None:
    model = reference_model()
    for temperature in (1.0, 0.7):
        job = Job(PROMPTS[0], "", 3, range(4), temperature=temperature)
        for row in write(proposer, job).values():
            before = bytes([BOS]) + tokenizer.encode(PROMPTS[0])
            ids = before + tokenizer.encode(row.text) + bytes([EOS]) * row.finished
            tokens = np.frombuffer(ids, np.uint8).astype(np.int64)
            z = reference.logits(model, tokens)[len(before) - 1 : -1] / temperature
            z = z - z.max(-1, keepdims=True)
            logs = z - np.log(np.exp(z).sum(-1, keepdims=True))
            wanted = logs[np.arange(len(logs)), tokens[len(before) :]].sum()
            assert row.logprob == pytest.approx(float(wanted), abs=0.01)


@cache
def reference_model() -> Any:
    return model_folder.read(ladder.path(backends.RUNG))


def exact(prompt: str, text: str, temperature: float) -> dict[tuple[str, bool], float]:
    """Probability of each outcome of two tokens: what is written, and if it ended."""

    def next_token(written: bytes) -> dict[int, float]:
        ids = bytes([BOS]) + tokenizer.encode(prompt + text) + written
        tokens = np.frombuffer(ids, np.uint8).astype(np.int64)
        z = reference.logits(reference_model(), tokens)[-1].astype(float) / temperature
        p = np.exp(z - z.max())
        return dict(enumerate((p / p.sum()).tolist()))

    found: dict[tuple[str, bool], float] = {}
    for first, p in next_token(b"").items():
        if first == EOS:
            found["", True] = p
        elif p > 1e-6:
            for second, q in next_token(bytes([first])).items():
                kept = bytes([first] + [second] * (second != EOS))
                key = tokenizer.decode(kept), second == EOS
                found[key] = found.get(key, 0.0) + p * q
    return found


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize(
    "prompt, text",
    [
        ("89 60 78 21>92\n", ""),  # which number
        ("89 60 78 21>92\n", "#"),  # a wide choice
        ("7-5+8-2\n", "#"),  # to end or not
    ],
)
def test_two_tokens_have_the_exact_distribution(
    proposer: Any, prompt: str, text: str, temperature: float
) -> None:
    n = 1500
    job = Job(prompt, text, 11, range(n), temperature=temperature, max_tokens=2)
    counts = Counter((row.text, row.finished) for row in write(proposer, job).values())
    expected = {key: n * p for key, p in exact(prompt, text, temperature).items()}
    common = [key for key, count in expected.items() if count >= 5]
    assert len(common) > 1
    seen = np.array([counts[key] for key in common] + [0], float)
    want = np.array([expected[key] for key in common] + [0], float)
    seen[-1], want[-1] = n - seen.sum(), n - want.sum()
    if want[-1] < 1:  # too few for a cell of their own
        assert seen[-1] <= 8
        seen, want = seen[:-1], want[:-1] * seen[:-1].sum() / want[:-1].sum()
    assert chisquare(seen, want).pvalue > 1e-4


# Where a row ends


def test_a_step_ends_right_after_its_delimiter(proposer: Any, engine: Any) -> None:
    """From the prompt, after a whole step, inside of one, before the answer."""
    whole = texts(engine, *[greedy(prompt) for prompt in PROMPTS])
    jobs = [
        Job(prompt, text[:length], 5 + i, range(6), until="step")
        for i, (prompt, text) in enumerate(zip(PROMPTS, whole, strict=True))
        for length in (0, text.index("\n") + 1, text.index("\n") + 3, text.index("#"))
    ]
    rows = list(write(proposer, *jobs).values())
    for row in rows:
        assert row.tokens == len(row.text) + row.finished
        if row.finished:
            assert "\n" not in row.text
        else:
            assert row.text.index("\n") == len(row.text) - 1
    assert {row.finished for row in rows} == {False, True}


def test_step_by_step_is_the_whole_greedy_text(proposer: Any) -> None:
    for prompt in PROMPTS[::4]:
        [whole] = write(proposer, greedy(prompt)).values()
        text, tokens, finished = "", 0, False
        while not finished:
            [row] = write(proposer, greedy(prompt, text, until="step")).values()
            text, tokens = text + row.text, tokens + row.tokens
            finished = row.finished
        assert (text, tokens) == whole[:2]


@pytest.mark.parametrize("limit", [1, 2, 7])
def test_max_tokens(proposer: Any, limit: int) -> None:
    whole = write(proposer, *[greedy(prompt) for prompt in PROMPTS])
    cut = write(proposer, *[greedy(p, max_tokens=limit) for p in PROMPTS])
    for key, row in whole.items():
        text = row.text[:limit]
        ends = row.tokens <= limit
        assert cut[key][:3] == (text, min(limit, row.tokens), ends and row.finished)


def test_a_trace_that_fills_the_context_gets_empty_rows(proposer: Any) -> None:
    prompt = "1+1\n"  # 5 tokens
    full, over = (
        Job(prompt, "1" * 251, 1, range(3)),
        Job(prompt, "1" * 300, 1, range(2)),
    )
    near = Job(prompt, "1" * 249, 1, range(4))
    found = write(proposer, full, near, over)
    for (job, _), row in found.items():
        if job == 1:
            assert 0 < row.tokens <= 2
            assert row.tokens == len(row.text) + row.finished
        else:
            assert row == ("", 0, False, 0.0)


# Rows and their random numbers


def test_rows_are_those_asked_for(proposer: Any) -> None:
    jobs = [
        Job(PROMPTS[0], "", 1, range(3, 11, 2), max_tokens=3),
        Job(PROMPTS[1], "", 2, range(0), max_tokens=3),
        Job(PROMPTS[2], "", 2**64 - 1, range(1_000_000, 1_000_002), max_tokens=3),
        Job(PROMPTS[0], "", 4, range(1), max_tokens=3),
    ]
    assert len(write(proposer, *jobs)) == 4 + 0 + 2 + 1
    assert rows_of(proposer.propose([])) == {}


def test_the_same_job_twice_gives_the_same_rows(proposer: Any) -> None:
    jobs = [Job(prompt, "", 9 + i, range(4)) for i, prompt in enumerate(PROMPTS)]
    assert write(proposer, *jobs) == write(proposer, *jobs)


def test_rows_do_not_depend_on_their_grouping(proposer: Any) -> None:
    job = Job(COUNTDOWN, "", 21, range(16))
    whole = texts(proposer, job)
    halves = texts(proposer, *[replace(job, rows=r) for r in (range(8), range(8, 16))])
    assert alike(whole, halves) >= ALIKE
    odd = texts(proposer, replace(job, rows=range(1, 16, 2)))
    assert alike(whole[1::2], odd) >= ALIKE
    others = [Job(p, "", 30 + i, range(3)) for i, p in enumerate(PROMPTS)]
    assert alike(whole, texts(proposer, *others, job)[-16:]) >= ALIKE


def test_no_two_rows_share_a_random_stream(proposer: Any) -> None:
    """Rows that agree here agree by the same random numbers: few do by chance."""
    n, streams = 24, [0, 1, 2, 3, 2**63, 2**64 - 1]
    found = texts(proposer, *[Job(COUNTDOWN, "", s, range(n)) for s in streams])
    assert len(set(found)) > 0.95 * len(found)
    far = texts(proposer, Job(COUNTDOWN, "", 0, range(10**6, 10**6 + n)))
    assert len({*found, *far}) > 0.95 * (len(found) + n)


def test_another_temperature_is_another_sample(proposer: Any) -> None:
    job = Job(COUNTDOWN, "", 21, range(8))
    cool = replace(job, temperature=0.3)
    assert alike(texts(proposer, job), texts(proposer, cool)) < 1


# Stopping


def test_cancel_ends_without_error_and_gives_whole_rows(proposer: Any) -> None:
    jobs = [Job(COUNTDOWN, "", i, range(100)) for i in range(8)]
    cancel = Event()

    def until_cancelled() -> Iterator[Samples]:
        for chunk in proposer.propose(jobs, cancel=cancel):
            cancel.set()
            yield chunk

    found = rows_of(until_cancelled())
    assert 0 < len(found) < 800
    for row in found.values():
        assert row.tokens == len(row.text) + row.finished
        assert row.finished or row.tokens == CONTEXT - proposer.count_tokens(COUNTDOWN)


def test_cancel_before_the_start_gives_nothing(proposer: Any) -> None:
    cancel = Event()
    cancel.set()
    assert (
        list(proposer.propose([Job(PROMPTS[0], "", 1, range(50))], cancel=cancel)) == []
    )


def test_closing_the_iterator_leaves_the_proposer_usable(proposer: Any) -> None:
    job = greedy(PROMPTS[0])
    before = texts(proposer, job)
    chunks = proposer.propose([Job(COUNTDOWN, "", 1, range(200))])
    next(chunks)
    chunks.close()
    assert texts(proposer, job) == before


# Errors


@pytest.mark.parametrize(
    "job, named",
    [
        (Job("1+é\n", "", 1, range(1)), "é"),
        (Job("1+1\n", "1=É", 1, range(1)), "É"),
        (Job("1" * 300, "", 1, range(1)), "301"),
        (Job("1" * 255, "", 1, range(1)), "256"),
        (Job("1+1\n", "", 1, range(1), temperature=-1.0), "temperature -1.0"),
        (Job("1+1\n", "", 1, range(1), temperature=float("nan")), "temperature nan"),
        (Job("1+1\n", "", 1, range(1), max_tokens=0), "max_tokens 0"),
    ],
)  # fmt: skip
def test_errors_quote_the_value(proposer: Any, job: Job, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        list(proposer.propose([greedy(PROMPTS[0]), job]))
    assert len(write(proposer, greedy(PROMPTS[0]))) == 1


# Through the driver


def spent(ledger: Any) -> dict[str, float]:
    return {
        field.name: getattr(ledger, field.name)
        for field in fields(ledger)
        if field.name != "seconds"
    }


@pytest.mark.parametrize(
    "strategy",
    [
        partial(repeated_sampling, n=4, temperature=0.0),
        partial(beam_search, n=4, width=2, temperature=0.0),
    ],
    ids=["best of n", "beam search"],
)
def test_the_ledger_is_the_engines_for_the_same_texts(
    proposer: Any, engine: Any, strategy: Any
) -> None:
    some = problems.evaluation_set("countdown", 3, 3)
    some += problems.evaluation_set("chains", 3, 2)
    mine, theirs = (
        run(strategy, some, proposer=one, verifier=PRM("prm-b"), seed=4)
        for one in (proposer, engine)
    )
    for one, other in zip(mine, theirs, strict=True):
        assert [t.text for t, _ in one.value] == [t.text for t, _ in other.value]
        assert spent(one.ledger) == spent(other.ledger)
        assert one.ledger.generated_tokens > 0


def test_a_sampled_beam_search_pays_for_every_character_it_wrote(proposer: Any) -> None:
    """A token is a character here, and one more ends a trace."""
    some = problems.evaluation_set("countdown", 3, 4)
    written: Counter[int] = Counter()
    rows: Counter[int] = Counter()

    def note(event: Any) -> None:
        if isinstance(event, Sampled):
            rows[event.index] += len(event.traces)
            written[event.index] += event.tokens
            for trace in event.traces:
                assert trace.tokens == len(trace.text) + trace.finished

    outcomes = run(
        partial(beam_search, n=8, width=4), some, proposer=proposer,
        verifier=PRM("prm-b"), seed=7, on_event=note,
    )  # fmt: skip
    for index, outcome in enumerate(outcomes):
        assert outcome.complete
        assert outcome.ledger.calls == rows[index]
        assert outcome.ledger.generated_tokens == written[index] > 0
        assert outcome.ledger.prompt_tokens == len(some[index].prompt) + 1
