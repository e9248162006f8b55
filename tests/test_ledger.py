"""The books: closed forms against sums over single tokens."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts_lab.ledger import Accounts, Ledger, pretraining_flops
from tts_lab.proposers import Size

SIZE = Size(parameters=96_320, layers=2, hidden=64)
PRM = Size(parameters=500_000, layers=6, hidden=128)


def integers(*values):
    return np.array(values, np.int64)


def page(prompt, rows, *, banked=False):
    """The ledger of one problem: a prompt and rows of (prefix, tokens)."""
    accounts = Accounts(1)
    accounts.add_prompt(integers(0), integers(0), integers(prompt))
    prefix, tokens = (integers(*column) for column in zip(*rows, strict=True))
    accounts.add_rows(np.zeros_like(prefix), prefix, tokens, banked=banked)
    return accounts.ledger(0)


def test_one_row_by_hand():
    # prompt of 3 tokens: contexts 1+2+3 = 6; 4 tokens after 3: 4+5+6+7 = 22
    assert page(3, [(3, 4)]) == Ledger(
        prompt_tokens=3, generated_tokens=4, context_tokens=28, calls=1
    )


def test_the_second_row_finds_its_prefix_cached():
    ledger = page(3, [(3, 4), (3, 1), (7, 2)])
    assert ledger.prompt_tokens == 3
    assert ledger.cached_tokens == 3 + 7
    assert ledger.context_tokens == 6 + 22 + 4 + (8 + 9)
    assert ledger.calls == 3


def test_banked_rows_cost_the_same():
    rows = [(3, 4), (7, 2)]
    fresh, banked = page(3, rows), page(3, rows, banked=True)
    assert banked.banked_tokens == banked.generated_tokens == 6
    assert banked.flops_brown(SIZE) == fresh.flops_brown(SIZE)
    assert banked.flops_snell(SIZE) == fresh.flops_snell(SIZE)


@given(
    st.integers(1, 40),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30)), min_size=1),
)
def test_brown_is_the_sum_over_tokens(prompt, rows):
    rows = [(prompt + more, tokens) for more, tokens in rows]
    contexts = list(range(1, prompt + 1))
    for prefix, tokens in rows:
        contexts += range(prefix + 1, prefix + tokens + 1)
    flops = sum(2 * (96_320 + 2 * 2 * 64 * context) for context in contexts)
    ledger = page(prompt, rows)
    assert ledger.flops_brown(SIZE) == flops
    assert ledger.flops_snell(SIZE) == 2 * 96_320 * sum(tokens for _, tokens in rows)
    assert ledger.prompt_tokens + ledger.cached_tokens == sum(p for p, _ in rows)


def test_verifier_flops_are_added_on_request():
    ledger = Ledger(generated_tokens=10, verifier_tokens=7)
    for flops in (ledger.flops_brown, ledger.flops_snell):
        assert flops(SIZE, verifier_size=PRM) - flops(SIZE) == 2 * 500_000 * 7


def test_training_at_test_time_is_six_per_weight_and_token():
    plain = Ledger(prompt_tokens=3, generated_tokens=10, context_tokens=91)
    adapted = plain + Ledger(training_tokens=7)
    for formula in (Ledger.flops_brown, Ledger.flops_snell):
        assert formula(adapted, SIZE) - formula(plain, SIZE) == 6 * 96_320 * 7


def test_large_runs_stay_exact():
    # 100 problems x 10^5 rows of 30,000 tokens: beyond what a float can count
    ledger = page(2_000, [(2_000, 30_000)] * 1_000)
    huge = sum([ledger] * 10_000, Ledger())
    row = 30_000 * 2_000 + 30_000 * 30_001 // 2
    assert huge.context_tokens == 10_000 * (2_001_000 + 1_000 * row)
    assert huge.flops_snell(SIZE) == 2.0 * 96_320 * 30_000 * 10**7


def test_ledgers_add_up():
    one = Ledger(1, 2, 3, 4, 5, 6, 7, 8, 9, 9.5)
    assert sum([one, one], Ledger()) == Ledger(2, 4, 6, 8, 10, 12, 14, 16, 18, 19.0)
    with pytest.raises(TypeError):
        one + 1


def test_each_problem_has_its_own_page():
    accounts = Accounts(3)
    accounts.add_rows(
        integers(2, 0, 2), integers(5, 6, 7), integers(1, 1, 1), banked=False
    )
    accounts.add_scores(integers(2, 2), integers(10, 20))
    assert [accounts.ledger(i).calls for i in range(3)] == [1, 0, 2]
    assert [accounts.ledger(i).cached_tokens for i in range(3)] == [6, 0, 12]
    assert accounts.ledger(2).verifier_calls == 2
    assert accounts.ledger(2).verifier_tokens == 30
    assert accounts.ledger(1) == Ledger()


def test_seconds_are_shared_by_weight():
    accounts = Accounts(3)
    accounts.add_seconds(8.0, integers(1, 0, 3))
    accounts.add_seconds(1.0, integers(0, 0, 0))  # nobody to charge
    assert [accounts.ledger(i).seconds for i in range(3)] == [2.0, 0.0, 6.0]


def test_pretraining():
    assert pretraining_flops(10**9, 2 * 10**12) == 12e21
    with pytest.raises(ValueError, match="parameters must be 0 or more, got -1"):
        pretraining_flops(-1, 5)
    with pytest.raises(ValueError, match="tokens must be 0 or more, got nan"):
        pretraining_flops(5, float("nan"))
