"""Long traces as numbers: what is read off them is what shorter runs would give."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from tts_lab import ladder
from tts_lab.grid import store
from tts_lab.problems import domain as module_of
from tts_lab.run import run
from tts_lab.strategies.thinking import WAIT, Thinking, answer, think
from tts_lab.think import compared, measured
from tts_lab.think.measured import LONGEST, Thoughts, of_thinking
from tts_lab.traces import Problem, Trace
from tts_lab.verifiers.exact import Exact

DOMAINS = ("chains", "countdown")


def cut(found: Thinking, limit: int, waits: int) -> str:
    """The text after so many generated tokens, with at most so many forced waits.

    Written apart from the code under test: it walks through the parts between forced
    waits, each of which ends in one token that is no character.
    """
    kept, left, text, spent = "", limit, found.text, 0
    for number, end in enumerate([*found.ends, None]):
        length = len(text) if end is None else end - spent - 1
        kept += text[: min(length, left)]
        if left <= length or end is None or number == waits:
            return kept
        left -= length + 1
        spent = end
        text = text[length + 1 + len(WAIT) :]
        kept += f"\n{WAIT}"
    return kept


@pytest.fixture(scope="module")
def long():
    """Real long thoughts about a few problems, and the same as numbers."""
    thinker = ladder.load("thinker-380k")
    found = {}
    for domain in DOMAINS:
        some = store.evaluated(domain, 2)
        outcomes = run(
            partial(think, least=10**6), some, proposer=thinker, verifier=Exact(),
            seed=4,
        )  # fmt: skip
        made = measured.measure(domain, samples=1, seed=4, some=some)
        found[domain] = some, [outcome.value for outcome in outcomes], made
    return found


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("waits", [0, 1, LONGEST])
def test_every_budget_is_a_beginning_of_the_long_trace(long, domain, waits):
    some, texts, made = long[domain]
    check = module_of(domain).check
    for limit in (20, 45, 80, 150, 300, 700, 2000):
        right = made.accuracy(limit, waits=waits)[:, 0]
        for problem, found, mine in zip(some, texts, right, strict=True):
            text = cut(found, limit, waits)
            attempt = answer(problem, text)
            whole = attempt.rpartition("\n")[2].startswith("#")
            # a number may be cut short: then the attempt is not whole yet
            if text.endswith(attempt) and limit < found.answer.tokens:
                continue
            assert bool(mine) == (whole and check(problem, attempt)), (problem, limit)


def test_a_long_thought_fills_the_context(long):
    for some, _, made in long.values():
        tokens = made.tokens[:, 0]
        forced = (made.stops > 0).sum(axis=2)[:, 0] * (1 + len(WAIT))
        context = made.prompt + tokens + forced
        assert (context <= 1024 + forced + 1 + len(WAIT)).all()
        assert (context >= 1024 - 2 * (1 + len(WAIT))).all(), (some, context)


def test_the_shipped_traces_can_be_made_again():
    for domain in DOMAINS:
        shipped = measured.shipped(domain)
        some = store.evaluated(domain)[:2]
        made = measured.measure(domain, some=some)
        count = made.end.shape[2]
        assert np.array_equal(shipped.end[:2, :, :count], made.end)
        assert np.array_equal(shipped.right[:2, :, :count], made.right)
        assert np.array_equal(shipped.verdict[:2, :, :count], made.verdict)
        assert np.array_equal(shipped.tokens[:2], made.tokens)
        assert not shipped.end[:2, :, count:].any()


def test_forced_text_is_not_generated():
    problem = Problem("chains", "4+8\n", 1)
    first, second = "4+8=13\n#13\n?12 x", "4+8\n4+8=12\n#12\n?12 ok"
    text = f"{first}\n{WAIT}{second}"
    own = Thinking(Trace(problem), 1.0, text, (), False)
    forced = Thinking(Trace(problem), 1.0, text, (len(first) + 1,), False)
    end = len("4+8=13\n#13")
    later = len("4+8\n4+8=12\n#12")
    assert of_thinking(problem, own) == [
        (end, False, 2, 0), (len(first) + 1 + len(WAIT) + later, True, 1, 0),
    ]  # fmt: skip
    assert of_thinking(problem, forced) == [
        (end, False, 2, len(first) + 1), (len(first) + 1 + later, True, 1, 0),
    ]  # fmt: skip


def small(**other) -> Thoughts:
    """Two problems, one trace each: right at 10, spoilt at 30; right at 20 only."""
    parts = {
        "thinker": "thinker-380k", "domain": "chains", "prompt": np.array([5, 7]),
        "end": np.array([[[10, 30]], [[20, 0]]]),
        "right": np.array([[[True, False]], [[True, False]]]),
        "verdict": np.array([[[1, 2]], [[1, 0]]]),
        "stops": np.array([[[15, 0]], [[25, 0]]]),
        "tokens": np.array([[40], [50]]), "seed": 0,
    }  # fmt: skip
    return Thoughts(**(parts | other))


def test_accuracy_and_length_by_hand():
    made = small()
    assert made.accuracy(9).ravel().tolist() == [0, 0]
    assert made.accuracy(12).ravel().tolist() == [1, 0]
    assert made.accuracy().ravel().tolist() == [1, 1]
    assert made.accuracy(waits=1).ravel().tolist() == [0, 1]
    assert made.length().ravel().tolist() == [15, 25]
    assert made.length(20).ravel().tolist() == [15, 20]
    assert made.length(waits=1).ravel().tolist() == [40, 50]
    assert made.length(30, waits=LONGEST).ravel().tolist() == [30, 30]


def test_flops_count_attention():
    tokens = 5 + 15
    attention = 2 * 2 * 3 * 96 * tokens * (tokens + 1) / 2
    assert small().flops()[0, 0] == 2 * 380_064 * tokens + attention


@pytest.mark.parametrize("domain", DOMAINS)
def test_all_strategies_stand_on_the_same_problems(domain):
    rows = compared.common_rows(domain)
    found = [
        *compared.parallel(domain, "majority", rows=rows),
        *compared.parallel(domain, "weighted vote", rows=rows),
        *compared.revisions(domain, rows), *compared.searches(domain, rows),
        *compared.thinking(measured.shipped(domain), (60, 240), rows=rows),
    ]  # fmt: skip
    assert {point.problems for point in found} == {len(rows)}
    for point in found:
        assert (point.right >= 0).all()
        assert (point.right <= 1).all()
        # no strategy is cheaper than 2 N for what it wrote
        assert (point.flops > point.tokens * 2 * 380_064 * 0.99).all()
    names = {point.strategy for point in found}
    assert {"beam search", "DVTS", "majority", "thinking"} <= names


def test_parallel_samples_cost_what_the_ledger_says():
    """The pool's tokens as a ledger of its own would count them."""
    from tts_lab.ledger import Ledger
    from tts_lab.proposers import Size

    [point] = [p for p in compared.parallel("chains", "majority") if p.n == 64]
    pool = store.pools("380k", "chains")
    prompt = 1 + len(store.evaluated("chains")[3].prompt)
    size = Size(380_064, 3, 96)
    each = [
        Ledger(
            prompt_tokens=prompt, generated_tokens=t,
            context_tokens=(prompt + t) * (prompt + t + 1) // 2,
        ).flops_brown(size)
        for t in pool.tokens[3].tolist()
    ]  # fmt: skip
    assert point.flops[3] == pytest.approx(sum(each))


def test_accuracy_at_a_cost_lies_on_the_line_between():
    ones = np.ones(2)
    points = [
        compared.Point("a", n, share * ones, n * ones, 10 * n * ones)
        for n, share in ((1, 0.2), (4, 0.6))
    ]
    at = compared.at_cost(points, np.array([2.0, 100.0]), "tokens")
    assert at.tolist() == pytest.approx([0.4, 0.6])
    assert compared.at_cost(points, 20 * ones, "flops").tolist() == pytest.approx(
        [0.4, 0.4]
    )
    with pytest.raises(ValueError, match="'samples'; accepted are 'tokens'"):
        compared.at_cost(points, ones, "samples")
