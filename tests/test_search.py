"""Search against scripts whose trees are known: what is written, kept, returned, paid.

The scripted policy writes a letter a line (row 0 writes "a", row 1 "b", ...) until the
trace has `depth` lines, then "#" and the letters. Letters and line feed are a token
each, and so is the end of text. The scripted verifier looks scores up by the letters.
"""

from __future__ import annotations

from functools import partial

import pytest

from tts_lab import ladder
from tts_lab.proposers.scripted import Scripted
from tts_lab.run import run
from tts_lab.select import best_of_n
from tts_lab.strategies import beam_search, dvts, lookahead_search, mcts, rebase
from tts_lab.traces import Problem, Propose, Sampled, Trace
from tts_lab.verifiers.exact import Exact
from tts_lab.verifiers.scripted import Scripted as ScriptedVerifier

PROBLEM = Problem("chains", "1+1\n", 1)
SEARCHES = [beam_search, lookahead_search, dvts, rebase, mcts]


def letters(text: str) -> str:
    return text.partition("#")[0].replace("\n", "")


def policy(depth: int, *, ends=()) -> Scripted:
    """`ends` are letters after which a trace ends early."""

    def script(prompt: str, text: str, row: int, stream: int) -> str:
        written = letters(text)
        lines, number = [], row
        while len(written) < depth and written not in ends:
            written += "abcdefgh"[number % 8]
            lines.append(written[-1] + "\n")
            number = 0
        return "".join(lines) + "#" + written

    return Scripted(script)


def verifier(table: dict[str, float], default: float = 0.5) -> ScriptedVerifier:
    return ScriptedVerifier(
        lambda trace: table.get(letters(trace.text), default), tokens_per_trace=10
    )


class Played:
    """What a search did: its result, its books, and every candidate in order."""

    def __init__(self, strategy, depth, scores, *, ends=(), seed=0, **options):
        self.policy, self.verifier = policy(depth, ends=ends), verifier(scores)
        self.seen: list[str] = []

        def on_event(event):
            if isinstance(event, Sampled):
                self.seen += [trace.text.replace("\n", "") for trace in event.traces]

        [outcome] = run(
            partial(strategy, **options),
            [PROBLEM],
            proposer=self.policy,
            verifier=self.verifier,
            seed=seed,
            on_event=on_event,
        )
        self.found = [(letters(t.text), score) for t, score in outcome.value]
        self.traces = [trace for trace, _ in outcome.value]
        self.ledger = outcome.ledger


TABLE = {
    "a": 0.1, "b": 0.9, "c": 0.5, "d": 0.3,
    "ba": 0.2, "bb": 0.8, "ca": 0.7, "cb": 0.1,
}  # fmt: skip


def test_beam_search_keeps_the_best_and_continues_each():
    played = Played(beam_search, 2, TABLE, n=4, width=2)
    assert played.seen == ["a", "b", "c", "d", "ba", "bb", "ca", "cb",
                           "bb#bb", "bb#bb", "ca#ca", "ca#ca"]  # fmt: skip
    assert played.found == [("bb", 0.8), ("ca", 0.7)]  # equal ends are one
    assert (played.policy.calls, played.policy.rows) == (3, 12)
    assert (played.verifier.calls, played.verifier.traces) == (3, 10)
    # eight lines of two tokens, four answers of three characters and the end of text
    assert played.ledger.generated_tokens == 8 * 2 + 4 * 4
    assert played.ledger.verifier_tokens == 10 * 10


def test_pruned_candidates_are_paid():
    """The fault of counters that stay at zero, and of counting survivors only."""
    wide = Played(beam_search, 2, TABLE, n=8, width=2).ledger
    narrow = Played(beam_search, 2, TABLE, n=4, width=2).ledger
    assert wide.calls == 2 * narrow.calls == 24
    assert wide.generated_tokens == 2 * narrow.generated_tokens


def test_width_is_the_continuations_of_each_kept_candidate():
    """The fault of `beam_width` meaning opposite things."""
    played = Played(beam_search, 2, TABLE, n=8, width=8)
    assert played.seen[8:16] == ["ba", "bb", "bc", "bd", "be", "bf", "bg", "bh"]
    played = Played(beam_search, 2, TABLE, n=8, width=1)
    second = played.seen[8:16]  # in order of the scores: b 0.9, then c, e to h at 0.5
    assert second == ["ba", "ca", "ea", "fa", "ga", "ha", "da", "aa"]


def test_the_best_n_finished_are_returned_not_the_first():
    """Two early ends with low scores must not crowd out a late good one."""
    scores = {"a": 0.1, "b": 0.2, "c": 0.9, "ca": 0.95, "cb": 0.9}
    played = Played(beam_search, 2, scores, ends=("a", "b"), n=3, width=3)
    assert "c" in played.seen
    # all three children are kept for one more round, a and b then end
    assert played.found[0] == ("ca", 0.95)
    assert len(played.found) <= 3
    assert [score for _, score in played.found] == sorted(
        (score for _, score in played.found), reverse=True
    )


def test_finished_traces_leave_the_search_and_free_their_place():
    """The fault of finished beams that silently hold their slot."""
    scores = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.6}
    played = Played(beam_search, 2, scores, ends=("a",), n=4, width=2)
    # the beam of two is a and b; a ends in the second round, and of the third round
    # both places go to unfinished candidates
    third = played.seen[8:]
    assert all(text.startswith("b") for text in third)
    assert ("a", 0.9) in played.found


def test_lookahead_ranks_by_where_a_candidate_leads():
    """The fault of rollouts that are generated and then ignored."""
    scores = {"a": 0.9, "b": 0.1, "aa": 0.1, "ba": 0.9}
    plain = Played(beam_search, 3, scores, n=2, width=2)
    ahead = Played(lookahead_search, 3, scores, n=2, width=2, lookahead=1)
    assert plain.seen[2:4] == ["aa", "ab"]
    # candidates a and b, then their greedy continuations, then b's own children
    assert ahead.seen[:6] == ["a", "b", "aa", "ba", "ba", "bb"]


def test_lookahead_is_paid_and_scored_at_its_end():
    plain = Played(beam_search, 3, {}, n=4, width=2)
    ahead = Played(lookahead_search, 3, {}, n=4, width=2, lookahead=2)
    # rounds of four lines; each candidate not yet finished costs two greedy steps more
    assert plain.ledger.calls == 4 * 4
    assert ahead.ledger.calls == 4 * 4 + 2 * 4 + 2 * 4 + 4
    assert ahead.ledger.generated_tokens > plain.ledger.generated_tokens


def test_dvts_subtrees_know_nothing_of_each_other():
    played = Played(dvts, 2, TABLE, n=4, width=2)
    # subtree 1 chooses between a and b, subtree 2 between c and d: not b and c by rank
    assert played.seen[:4] == ["a", "b", "c", "d"]
    assert played.seen[4:8] == ["ba", "bb", "ca", "cb"]
    assert played.seen[8:] == ["bb#bb"] * 2 + ["ca#ca"] * 2
    assert played.found == [("bb", 0.8), ("bb", 0.8), ("ca", 0.7), ("ca", 0.7)]
    assert played.ledger.calls == 12


def test_dvts_keeps_subtrees_where_beam_search_leaves_them():
    scores = {"a": 0.9, "b": 0.8, "c": 0.1, "d": 0.2}
    beam = Played(beam_search, 2, scores, n=4, width=2)
    tree = Played(dvts, 2, scores, n=4, width=2)
    assert {found[0] for found, _ in beam.found} == {"a"}  # aa and ab came first
    assert {found[0] for found, _ in tree.found} == {"a", "d"}


@pytest.mark.parametrize("search", SEARCHES)
def test_unfinished_traces_are_never_returned(search):
    """The fault of DVTS that leaks unfinished siblings into votes."""
    played = Played(search, 3, TABLE, n=4, max_steps=2)
    if search is not mcts:  # whose simulations go to the end
        assert played.found == []
    played = Played(search, 3, TABLE, n=4)
    assert played.found
    assert all(trace.finished for trace in played.traces)


@pytest.mark.parametrize("search", SEARCHES)
def test_no_more_than_n_are_returned_best_first(search):
    played = Played(search, 3, {"aaa": 0.9, "bba": 0.7, "baa": 0.8}, n=8)
    scores = [score for _, score in played.found]
    assert 1 <= len(scores) <= 8
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("search", SEARCHES)
def test_the_known_optimum_is_found(search):
    """A path whose every prefix scores best: all searches must end on it."""
    path = {"a": 0.8, "aa": 0.9, "aaa": 1.0}
    played = Played(search, 3, path, n=8)
    assert played.found[0] == ("aaa", 1.0)
    chosen = best_of_n(played.traces, [score for _, score in played.found])
    assert chosen is None or chosen.trace is played.traces[0]


def test_rebase_shares_candidates_by_score():
    # softmax at balance 0.5: 0.62 and three times 0.13, of 4: 2.49 and 0.50 each
    scores = {"a": 0.9, "b": 0.1, "c": 0.1, "d": 0.1}
    played = Played(rebase, 2, scores, n=4, balance=0.5)
    assert played.seen[4:8] == ["aa", "ab", "ba", "ca"]
    greedy = Played(rebase, 2, scores, n=4, balance=0.01)
    assert greedy.seen[4:8] == ["aa", "ab", "ac", "ad"]
    even = Played(rebase, 2, scores, n=4, balance=100)
    assert even.seen[4:8] == ["aa", "ba", "ca", "da"]


def test_rebase_asks_for_as_many_as_are_wanted():
    scores = {"a": 0.9, "b": 0.1, "c": 0.1, "d": 0.1}
    played = Played(rebase, 2, scores, ends=("aa",), n=4, balance=0.01)
    assert played.ledger.calls == 4 + 4 + 4


def test_mcts_simulates_and_backs_up():
    # a looks best and all that follows is bad; b looks worse and leads to 1.0
    scores = {"a": 0.6, "b": 0.5, "aa": 0.0, "ab": 0.0, "ba": 1.0, "bb": 1.0}
    played = Played(mcts, 2, scores, n=4, width=2, exploration=0.0)
    # expand the root, simulate from a; its mean is 0, so b is next and stays best
    assert played.seen[:3] == ["a", "b", "aa#aa"]
    assert played.seen[3:6] == ["ba", "bb", "ba#ba"]
    assert played.found[0] == ("ba", 1.0)


def test_mcts_stops_when_everything_is_finished():
    played = Played(mcts, 1, {"a": 0.5, "b": 0.4}, n=50, width=2)
    assert sorted(found for found, _ in played.found) == ["a", "b"]
    assert played.ledger.calls < 30


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "n must be 1 or more, got 0"),
        ({"max_steps": 0}, "max_steps must be 1 or more, got 0"),
    ],
)
def test_numbers_out_of_range_are_refused(search, options, message):
    with pytest.raises(ValueError, match=message):
        Played(search, 2, TABLE, **options)


@pytest.mark.parametrize(
    ("search", "options", "message"),
    [
        (beam_search, {"width": 0}, "width must be 1 or more, got 0"),
        (beam_search, {"n": 4, "width": 5}, "width=5 continuations.*n=4"),
        (dvts, {"n": 4, "width": 5}, "width=5 continuations.*n=4"),
        (lookahead_search, {"lookahead": -1}, "lookahead must be 0 or more, got -1"),
        (rebase, {"balance": 0}, "balance must be above 0, got 0"),
        (mcts, {"width": 0}, "width=0"),
        (mcts, {"exploration": -1}, "exploration=-1"),
    ],
)
def test_options_out_of_range_are_refused(search, options, message):
    with pytest.raises(ValueError, match=message):
        Played(search, 2, TABLE, **options)


def test_a_trace_that_fills_the_context_is_handed_back_as_it_is():
    problem = Problem("chains", "47+38\n", 1)
    room = ladder.load("27k").context - 1 - len(problem.prompt)
    full, short = Trace(problem, "1" * room), Trace(problem, "47+38=85\n")

    def strategy(problem):
        found = yield Propose([full, short], 2, "step")
        return found

    [outcome] = run(
        strategy, [problem], proposer=ladder.load("27k"), verifier=Exact(), seed=0
    )
    one, two, three, four = outcome.value
    assert one == two == full
    assert three.text != short.text and four.text != short.text
    assert outcome.ledger.generated_tokens == three.tokens + four.tokens
    whole = Problem("chains", "1" * 300 + "\n", 1)
    with pytest.raises(ValueError, match="a prefix of 302 tokens"):
        run(
            partial(beam_search, n=4), [whole], proposer=ladder.load("27k"),
            verifier=Exact(), seed=0,
        )  # fmt: skip
