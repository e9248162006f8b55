"""One vLLM engine, stepped by whichever thread waits for it.

vLLM's engine in this process knows no threads. Here any number of them hand in
requests, each with an inbox, and whoever wants something steps the engine for all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import count
from threading import Lock
from typing import Any

from tts_lab.proposers import vllm_engine

SECONDS_TO_WAIT = 0.05  # for another thread's step, before looking up


class Shared:
    """An engine and its open requests.

    Parameters
    ----------
    llm : vllm.LLM
        With its engine in this process; belongs to this object from now on.
    name : str
        The model's, for messages.
    """

    def __init__(self, llm: Any, name: str) -> None:
        self._llm = llm
        self._name = name
        self._lock = Lock()
        self._inboxes: dict[str, deque[Any]] = {}
        self._unwanted: deque[str] = deque()
        self._numbers = count()

    def add(self, tokens: list[int], params: Any, inbox: deque[Any]) -> str:
        """Hand in a request of `SamplingParams`; its outputs will come to `inbox`."""
        with self._lock:
            engine = self._engine()
            name = str(next(self._numbers))
            engine.add_request(name, {"prompt_token_ids": tokens}, params)
            self._inboxes[name] = inbox
        return name

    def step(self, inbox: deque[Any]) -> None:
        """One step for all, unless another thread has filled `inbox` meanwhile."""
        if not self._lock.acquire(timeout=SECONDS_TO_WAIT):
            return
        try:
            self._abort_unwanted()
            if inbox:
                return
            for output in self._engine().step():
                wanted = self._inboxes.get(output.request_id)
                if wanted is not None:
                    wanted.append(output)
                if output.finished:
                    self._inboxes.pop(output.request_id, None)
        finally:
            self._lock.release()

    def abort(self, names: Iterable[str]) -> None:
        """End requests: now, or if a step is under way, right after it.

        Never waits: the garbage collector may close a generator amid a step of its
        own thread.
        """
        self._unwanted.extend(names)
        if self._unwanted and self._lock.acquire(blocking=False):
            try:
                self._abort_unwanted()
            finally:
                self._lock.release()

    def unfinished(self) -> int:
        """Requests in the engine; 0 once it is idle."""
        with self._lock:
            return int(self._engine().get_num_unfinished_requests())

    def close(self) -> None:
        """Give the engine's memory back."""
        with self._lock:
            llm, self._llm = self._llm, None
            if llm is not None:
                vllm_engine.stop(llm)

    def _engine(self) -> Any:
        if self._llm is None:
            raise RuntimeError(f"{self._name!r} is closed; load it again to write")
        return self._llm.llm_engine

    def _abort_unwanted(self) -> None:
        names = [self._unwanted.popleft() for _ in range(len(self._unwanted))]
        names = [name for name in names if self._inboxes.pop(name, None) is not None]
        if names and self._llm is not None:
            self._llm.llm_engine.abort_request(names)
