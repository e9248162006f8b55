"""Strategies: generators that spend a budget on one problem.

A strategy yields `Propose` and `Verify`, receives traces and scores, and returns its
result; `tts_lab.run.run` does the rest. This folder imports `tts_lab.traces` only.
"""

from tts_lab.strategies.sampling import Counts, count_correct, repeated_sampling
from tts_lab.strategies.search import beam_search, dvts, lookahead_search, rebase
from tts_lab.strategies.thinking import think
from tts_lab.strategies.tree import mcts

__all__ = [
    "Counts",
    "beam_search",
    "count_correct",
    "dvts",
    "lookahead_search",
    "mcts",
    "rebase",
    "repeated_sampling",
    "think",
]
