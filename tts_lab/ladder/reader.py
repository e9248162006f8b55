"""Reading: the last state of every token of given texts, on all cores.

What verifiers are made of: a head on the states gives scores, the states times the
embedding give the log-probabilities of what was written. Texts are read in groups
whose key-value cache stays small, so memory does not grow with their number; lines
that several texts of a group begin with are read once.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tts_lab import interrupt
from tts_lab.ladder import tokenizer
from tts_lab.ladder.arrays import Cache, Floats
from tts_lab.ladder.compiled import ensure
from tts_lab.ladder.cores import cores
from tts_lab.ladder.decode import prefill
from tts_lab.ladder.engine import PREFILL_TOKENS
from tts_lab.ladder.model_folder import Model
from tts_lab.ladder.packed import new_buffers, new_cache, prepare

BLOCK = 64  # tokens that go through a layer together
BLAS_PRODUCTS = 1 << 18  # above, BLAS starts threads of its own, and they fight ours
GROUP_BYTES = 8 << 20  # key-value cache of one group, at most (or of one text)

Result = TypeVar("Result")
_NEWLINE = tokenizer.encode("\n")


class Reader:
    """A model that reads.

    Parameters
    ----------
    model : Model
        What `model_folder.read` gives.
    threads : int, optional
        Groups read at a time; all cores by default.
    """

    def __init__(self, model: Model, *, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise ValueError(f"threads is {threads!r}; accepted is 1 or more, or None")
        ensure()
        self.model = model
        self.threads = threads or cores()
        self._weights = prepare(model)
        self._local = threading.local()

    def read(
        self,
        texts: Sequence[bytes],
        use: Callable[[int, Floats], Result],
    ) -> list[Result]:
        """What `use(i, states)` makes of each text, in order; equal ones are read once.

        Can be broken off between two blocks, see `tts_lab.interrupt`.

        Parameters
        ----------
        texts : sequence of bytes
            Token ids, BOS included; at most the model's context each.
        use : callable
            Called in several threads with the index of a text (of equal ones, the
            first) and its states,
            (tokens, hidden) float32, after the final norm.

        Raises
        ------
        ValueError
            When a text is empty or longer than the context.
        """
        for text in texts:
            if not 0 < len(text) <= self.model.context:
                start = tokenizer.decode(text[1:60])
                raise ValueError(
                    f"a text of {len(text)} tokens ({start!r}...): {self.model.name} "
                    f"reads 1 to {self.model.context}"
                )
        first: dict[bytes, int] = {}
        for i, text in enumerate(texts):
            first.setdefault(text, i)
        different = list(first.values())
        groups = self._groups([texts[i] for i in different])
        results: dict[int, Result] = {}
        cancel = interrupt.flag()

        def work(group: list[int]) -> None:
            numbers = [different[k] for k in group]
            states, starts = self._states([texts[i] for i in numbers], cancel)
            for k, i in enumerate(numbers):
                interrupt.check(cancel)
                results[i] = use(i, states[starts[k] : starts[k + 1]])

        if self.threads == 1 or len(groups) == 1:
            for group in groups:
                work(group)
        else:
            with ThreadPoolExecutor(self.threads) as pool:
                futures = [pool.submit(work, group) for group in groups]
                try:
                    for future in futures:
                        future.result()
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
        return [results[first[text]] for text in texts]

    def logprobs(self, texts: Sequence[bytes]) -> list[Floats]:
        """Log-probability (nats) of each token but the first: (tokens - 1,) each."""
        head = self.model.head.T
        rows = max(1, BLAS_PRODUCTS // head.size)

        def use(i: int, states: Floats) -> Floats:
            logits = np.empty((len(states) - 1, head.shape[1]), np.float32)
            for first in range(0, len(logits), rows):
                last = min(first + rows, len(logits))
                np.matmul(states[first:last], head, out=logits[first:last])
            logits -= logits.max(axis=1, keepdims=True)
            chosen = np.frombuffer(texts[i], np.uint8)[1:].astype(np.intp)
            total = np.log(np.exp(logits).sum(axis=1))
            found: Floats = logits[np.arange(len(chosen)), chosen] - total
            return found

        return self.read(texts, use)

    def _groups(self, texts: Sequence[bytes]) -> list[list[int]]:
        """Indices of texts, siblings together, each group small enough to be read."""
        model = self.model
        per_token = 8 * model.layers * model.hidden
        even = -(-sum(map(len, texts)) // (2 * self.threads))
        groups: list[list[int]] = []
        tokens = longest = 0
        for i in sorted(range(len(texts)), key=lambda i: _parent(texts[i])):
            size = len(groups[-1]) + 1 if groups else 0
            longest = max(longest, len(texts[i]))
            if not groups or size * longest * per_token > GROUP_BYTES or tokens >= even:
                groups.append([])
                tokens, longest = 0, len(texts[i])
            groups[-1].append(i)
            tokens += len(texts[i])
        return groups

    def _states(
        self, texts: Sequence[bytes], cancel: threading.Event | None = None
    ) -> tuple[Floats, NDArray[np.int64]]:
        """States of all tokens, and where each text's begin; shared lines read once."""
        parents = [_parent(text) for text in texts]
        children = Counter(parents)
        shared = [one for one, count in children.items() if count > 1 and one]
        number = {one: i for i, one in enumerate(shared)}
        cache, states, starts = self._prefill(shared, cancel)
        own = new_cache(self.model, len(texts), max(map(len, texts)))
        own_starts = np.concatenate([[0], np.cumsum([len(text) for text in texts])])
        own_states = np.empty((own_starts[-1], self.model.hidden), np.float32)
        known = np.zeros(len(texts), np.int64)
        for i, parent in enumerate(parents):
            if parent in number:
                j, k = number[parent], len(parent)
                known[i] = k
                own.keys[i, :, :, :k] = cache.keys[j, :, :, :k]
                own.values[i, :, :, :k] = cache.values[j, :, :, :k]
                own_states[own_starts[i] : own_starts[i] + k] = states[
                    starts[j] : starts[j] + k
                ]
        self._read(texts, own, own_starts, known, own_states, cancel)
        return own_states, own_starts

    def _prefill(
        self, texts: Sequence[bytes], cancel: threading.Event | None = None
    ) -> tuple[Cache, Floats, NDArray[np.int64]]:
        starts = np.concatenate([[0], np.cumsum([len(text) for text in texts])])
        starts = starts.astype(np.int64)
        cache = new_cache(self.model, len(texts), max(map(len, texts), default=0))
        states = np.empty((starts[-1], self.model.hidden), np.float32)
        known = np.zeros(len(texts), np.int64)
        self._read(texts, cache, starts, known, states, cancel)
        return cache, states, starts

    def _read(
        self,
        texts: Sequence[bytes],
        cache: Cache,
        starts: NDArray[np.int64],
        known: NDArray[np.int64],
        states: Floats,
        cancel: threading.Event | None = None,
    ) -> None:
        """Fill cache and states from `known` on."""
        tokens = np.frombuffer(b"".join(texts), np.uint8).astype(np.int64)
        logits = np.empty((len(texts), len(tokenizer.VOCABULARY)), np.float32)
        if not hasattr(self._local, "buffers"):
            self._local.buffers = new_buffers(self.model, BLOCK)
        first = 0
        while first < len(texts):  # in slices: the interpreter must breathe
            interrupt.check(cancel)
            within = starts[first] + 2 * PREFILL_TOKENS
            last = max(first + 1, int(np.searchsorted(starts, within, "right")) - 1)
            prefill(
                self._weights,
                self._local.buffers,
                Cache(cache.keys[first:last], cache.values[first:last]),
                tokens[starts[first] : starts[last]],
                starts[first : last + 1] - starts[first],
                known[first:last],
                logits[first:last],
                states[starts[first] : starts[last]],
            )
            first = last


def _parent(text: bytes) -> bytes:
    """The text up to its last line: what siblings of a search have in common."""
    return text[: text.rfind(_NEWLINE, 0, len(text) - 1) + 1]
