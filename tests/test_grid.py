"""The grid: what is stored is what was run, and options cost what was measured."""

from __future__ import annotations

import numpy as np
import pytest

from tts_lab import ladder, problems
from tts_lab.allocate import compute_optimal
from tts_lab.grid import options, recipe, store, tables
from tts_lab.subsets import Pool
from tts_lab.verifiers.exact import Exact


def pools(right, scores, *, policy="105k", domain="chains"):
    """Pools whose wrong answers all differ, of five tokens a sample."""
    truth = np.asarray(right, bool)
    answer = np.where(truth, 0, 1 + np.arange(truth.shape[1]))
    tokens = np.full(truth.shape, 5)
    score = np.asarray(scores, float)
    return store.Pools(
        policy, domain, answer, truth, tokens, {"prm-a": score},
        {"prm-a": tokens + 7}, truth[:, 0], 3,
    )  # fmt: skip


def chains(count, steps, *, rng):
    right = rng.random((10, count, steps)) < 0.4
    return store.Chains(
        "105k", "chains", "prm-a", np.arange(10), np.where(right, 0, 1), right,
        rng.random(right.shape), np.full(right.shape, 20),
        np.broadcast_to(30 * (np.arange(steps) > 0), right.shape), 0,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """Ten problems, two of each level: easy ones first."""
    rng = np.random.default_rng(0)
    share = np.repeat([0.9, 0.1], 5)[:, None]
    right = rng.random((10, 8)) < share
    score = np.clip(right * 0.5 + rng.random(right.shape) / 2, 0, 1)
    made = pools(right, score)
    store.write_pools(made, folder=tmp_path)
    tables.write("table-pools-105k-chains", tables.of_pools(made), folder=tmp_path)
    cell = store.Cell(
        "chains", "105k", "prm-a", "beam search", 4, 2, 1, 0,
        {"best-of-n": (0,) * 5 + (1,) * 5, "weighted vote": (0,) * 10},
        (40,) * 10, (80,) * 10,
    )  # fmt: skip
    store.write_cells("chains", [cell], folder=tmp_path)
    for count, steps in ((8, 2), (2, 8)):
        store.write_chains(chains(count, steps, rng=rng), folder=tmp_path)
    shapes = store.chains("105k", "chains", folder=tmp_path)
    table = tables.of_chains(shapes)
    tables.write("table-chains-105k-chains", table, folder=tmp_path)
    return tmp_path


def test_pools_come_back_as_they_were_but_for_rounding(folder):
    rng = np.random.default_rng(1)
    made = pools(rng.random((10, 4)) < 0.5, 10.0 ** -rng.uniform(0, 20, (10, 4)))
    store.write_pools(made, folder=folder)
    back = store.pools("105k", "chains", folder=folder)
    assert np.array_equal(back.answer, made.answer)
    assert np.array_equal(back.right, made.right)
    assert np.array_equal(back.greedy, made.greedy)
    assert np.array_equal(back.read["prm-a"], made.read["prm-a"])
    assert back.scores["prm-a"] == pytest.approx(made.scores["prm-a"], rel=0.006)
    assert back.seed == 3


def test_what_is_missing_is_named_with_what_there_is(folder):
    with pytest.raises(ValueError, match=r"no 'pools-380k-chains'.*pools-105k-chains"):
        store.pools("380k", "chains", folder=folder)
    made = store.pools("105k", "chains", folder=folder)
    with pytest.raises(ValueError, match="no scores of 'orm'; there are \\['prm-a'\\]"):
        made.of("orm")


def test_costs_are_two_flops_per_weight_and_token(folder):
    made = store.pools("105k", "chains", folder=folder)
    policy = ladder.load("105k").size.parameters
    assert (made.cost(4, "samples") == 4).all()
    assert (made.cost(4, "tokens", "prm-a") == 4 * (5 + 12)).all()
    assert (made.cost(4, "tokens", "prm-a", counted=False) == 20).all()
    assert made.cost(4, "flops")[0] == pytest.approx(2 * policy * 20)
    extra = made.cost(1, "flops", "prm-a") - made.cost(1, "flops")
    from tts_lab.verifiers.prm import PRM

    assert extra[0] == pytest.approx(2 * PRM("prm-a").size.parameters * 12)


def test_lookahead_counts_its_simulated_steps_as_samples():
    cell = store.Cell("chains", "105k", "prm-a", "lookahead 3", 16, 1, 1, 0, {},
                      (1.0,), (1.0,))  # fmt: skip
    assert cell.cost("samples").tolist() == [64.0]


def test_the_table_is_the_rules_at_the_whole_pool(folder):
    made = store.pools("105k", "chains", folder=folder)
    table = tables.pools("105k", "chains", folder=folder)
    assert tables.powers(made.n) == [1, 2, 4, 8]
    best = [bool(r[s.argmax()]) for r, s in zip(made.right, made.scores["prm-a"],
                                                strict=True)]  # fmt: skip
    assert table["best-of-n", "prm-a"][:, -1].tolist() == best
    assert table["coverage", ""][:, -1].tolist() == made.right.any(axis=1).tolist()
    single = table["majority", ""][:, 0]
    assert single == pytest.approx(made.right.mean(axis=1), abs=0.2)


def test_a_chain_table_is_the_rules_over_every_group(folder):
    shapes = store.chains("105k", "chains", folder=folder)
    assert [(one.chains, one.steps) for one in shapes] == [(2, 8), (8, 2)]
    table = tables.chains("105k", "chains", folder=folder)
    wide = shapes[1]
    first = wide.right[:, :, 0].mean(axis=1)
    for rule in tables.REVISION_RULES:
        assert table[rule, 1, 1] == pytest.approx(first, abs=0.001)
    p = 3
    pool = Pool(wide.answer[p, :4].ravel(), wide.right[p, :4].ravel(),
                wide.score[p, :4].ravel())  # fmt: skip
    other = Pool(wide.answer[p, 4:].ravel(), wide.right[p, 4:].ravel(),
                 wide.score[p, 4:].ravel())  # fmt: skip
    means = [one.right[one.score.argmax()] for one in (pool, other)]
    assert table["best-of-n", 4, 2][p] == pytest.approx(np.mean(means))
    assert ("majority", 8, 4) not in table  # no run was as wide and as long


def test_options_name_strategy_budget_and_rule(folder):
    found = options.sampling("chains", folder=folder, of="samples")
    named = {one.name: one for one in found}
    assert named["majority, n = 8"].cost.tolist() == [8.0] * 10
    assert {"best-of-n, n = 1", "weighted vote, n = 4"} <= set(named)
    [best, vote] = options.searching("chains", folder=folder)
    assert (best.name, vote.name) == (
        "beam search, n = 4", "beam search, n = 4, weighted vote"
    )  # fmt: skip
    assert best.right.tolist() == [0.0] * 5 + [1.0] * 5
    revised = options.revising("chains", reviser="105k", folder=folder, of="samples")
    named = {one.name: one for one in revised}
    assert named["2 x 4 revisions, hierarchical"].cost.tolist() == [8.0] * 10


def test_a_search_on_a_share_is_for_those_problems_only(folder):
    [cell] = store.cells("chains", folder=folder).values()
    less = store.Cell(**{**vars(cell), "per_level": 1, "right": {
        rule: values[::2] for rule, values in cell.right.items()},
        "generated": cell.generated[::2], "read": cell.read[::2]})  # fmt: skip
    store.write_cells("chains", [less], folder=folder)
    assert options.searching("chains", folder=folder) == []
    rows = store.rows("chains", 1, 2)
    found = options.searching("chains", folder=folder, rows=rows)
    assert found[0].right.tolist() == [0, 0, 0, 1, 1]
    assert options.searching("chains", folder=folder, rows=np.array([1])) == []


def test_a_revision_pays_for_what_it_reads_of_earlier_ones(folder):
    shapes = store.chains("105k", "chains", folder=folder)
    one = options.revision_cost(shapes, 2, 1, "tokens", counted=False)
    two = options.revision_cost(shapes, 2, 2, "tokens", counted=False)
    assert (one[0], two[0]) == (2 * 20, 2 * (20 + 20 + 30))
    with_verifier = options.revision_cost(shapes, 2, 2, "tokens", counted=True)
    assert with_verifier[0] == two[0] + 2 * 40


def test_difficulty_is_of_what_is_right_or_of_scores(folder):
    oracle = options.difficulty("chains", bins=2, folder=folder)
    predicted = options.difficulty("chains", bins=2, kind="predicted", folder=folder)
    assert oracle.bin.tolist() == [0] * 5 + [1] * 5
    assert predicted.agreement(oracle) >= 0.6
    absolute = options.difficulty("chains", binning="thresholds", folder=folder)
    assert absolute.bins == 3
    for bad, message in (
        ({"samples": 9}, "samples is 9; accepted is 1 to 8"),
        ({"kind": "known"}, "kind is 'known'"),
        ({"binning": "deciles"}, "binning is 'deciles'"),
    ):
        with pytest.raises(ValueError, match=message):
            options.difficulty("chains", folder=folder, **bad)


def test_the_search_is_chosen_for_the_hard_problems(folder):
    every = options.sampling("chains", folder=folder, of="samples")
    every += options.searching("chains", folder=folder, of="samples")
    bins = options.difficulty("chains", bins=2, folder=folder)
    [found] = compute_optimal(every, bins, [4], resamples=20)
    assert all("beam" in hard and "beam" not in easy for easy, hard in found.choices)


def test_a_live_grid_is_what_the_recipe_runs(tmp_path):
    said = []
    recipe.live("countdown", tmp_path, per_level=1, n=4, names=["beam search"],
                budgets=[4], say=said.append)  # fmt: skip
    made = store.pools("105k", "countdown", folder=tmp_path)
    some = store.evaluated("countdown", 1)
    assert made.right.shape == (len(some), 4) == (4, 4)
    again = recipe.sample("105k", "countdown", 4, ("prm-a",), seed=0, some=some)
    assert np.array_equal(again.right, made.right)
    assert len(said) == 2
    bins = options.difficulty("countdown", bins=2, folder=tmp_path)
    every = options.sampling("countdown", folder=tmp_path)
    every += options.searching("countdown", folder=tmp_path)
    [found] = compute_optimal(every, bins, [1e12], resamples=10)
    assert 0 <= found.accuracy <= 1


def test_chains_are_stored_chain_by_chain():
    rows = store.rows("chains", 1, some=(4, 6))
    made = recipe.revise("105k", "chains", 2, 3, rows, verifier="exact")
    assert made.rows.tolist() == [0, 100]
    assert made.right.shape == (2, 2, 3)
    assert np.array_equal(made.right, made.score >= 0.5)  # the exact verifier's
    assert (made.seen[:, :, 0] == 0).all() and (made.seen[:, :, 1] > 0).all()


def test_equal_traces_are_read_once():
    seen = []

    class Counting(Exact):
        def verify(self, traces):
            seen.append(len(traces))
            return super().verify(traces)

    [problem] = problems.evaluation_set("chains", 1, 1)
    made = [trace for trace in _traces(problem, ["#1", "#2", "#1"])]
    assert len(recipe.verified(Counting(), made)) == 3
    assert seen == [2]


def _traces(problem, texts):
    from tts_lab.traces import Trace

    return [Trace(problem, text, 3, True) for text in texts]


@pytest.mark.parametrize("domain", ["chains", "countdown"])
def test_the_grids_problems_are_the_first_of_every_level(domain):
    levels = store.levels(domain)
    assert len(levels) == len(store.evaluated(domain))
    few = store.evaluated(domain, 3)
    every = store.evaluated(domain)
    assert [every[i] for i in store.rows(domain, 3)] == few
