"""Seeds of rows, for backends with random generators of their own."""

from __future__ import annotations

from itertools import pairwise

from tts_lab.proposers.checkpoints import SEEDS_PER_STREAM, seed_of


def test_rows_of_a_stream_have_consecutive_seeds():
    assert [seed_of(7, row) - seed_of(7, 0) for row in range(5)] == [0, 1, 2, 3, 4]


def test_seeds_are_whole_numbers_that_every_backend_accepts():
    for stream in (0, 1, 2**63, 2**64 - 1):
        assert 0 <= seed_of(stream, 0) <= seed_of(stream, SEEDS_PER_STREAM - 1) < 2**63


def test_streams_stay_apart_where_a_generator_keeps_32_bits():
    rows = 64
    first = sorted(seed_of(stream, 0) % 2**32 for stream in range(1000))
    gaps = [b - a for a, b in pairwise(first)]
    assert min(gaps) > rows
