"""Greedy texts of a Hugging Face model as it is now, adapter and all.

The transformers proposer's decoding loop, without what it keeps of prefixes: what one
adapter computed is nothing to another. Not covered: sampling, running out of memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event as Flag
from time import perf_counter

from tts_lab.ledger import Ledger
from tts_lab.proposers import torch_writer
from tts_lab.proposers.texts import Texts
from tts_lab.proposers.torch_cache import Prefixes
from tts_lab.proposers.torch_models import Loaded
from tts_lab.proposers.torch_rows import Prefix, Reader, Row
from tts_lab.ttt.text_training import quiet

ROWS = 16  # written side by side


def greedy(
    loaded: Loaded,
    texts: Texts,
    prompts: Sequence[str],
    *,
    stop: str,
    max_tokens: int,
    cancel: Flag | None = None,
) -> tuple[list[str | None], Ledger]:
    """What the model writes after each prompt, and what that cost.

    Parameters
    ----------
    loaded : Loaded
    texts : Texts
        Its tokenizer.
    prompts : sequence of str
    stop : str
        What ends a text beside the end-of-text token; empty for nothing.
    max_tokens : int
        Of a text.
    cancel : threading.Event, optional

    Returns
    -------
    list of (str or None)
        None for a text that was cut off, by `max_tokens` or `cancel`.
    Ledger

    Raises
    ------
    ValueError
        For a prompt that leaves no room in the context or has characters without a
        token, or a `max_tokens` below 1.
    """
    if max_tokens < 1:
        raise ValueError(f"max_tokens={max_tokens!r}; accepted is 1 or more")

    def text_of(row: Row) -> str:
        tokens = row.tokens[:-1] if row.ended else row.tokens
        return texts.decode(row.prefix.ids, tokens)

    def stops(row: Row) -> bool:
        return bool(stop) and stop in text_of(row)

    prefixes = [
        _prefix(loaded, texts, number, prompt, max_tokens)
        for number, prompt in enumerate(prompts)
    ]
    reader = Reader(
        loaded.model, layers=loaded.layers, ends=loaded.ends, prefixes=Prefixes(0)
    )
    began = perf_counter()
    rows: list[Row] = []
    found: list[str | None] = [None] * len(prompts)
    with quiet(loaded.model):
        for done, _ in torch_writer.write(
            reader, prefixes, batch=ROWS, stops=stops,
            stopped=lambda: cancel is not None and cancel.is_set(),
        ):  # fmt: skip
            for row in done:
                del row.prefix.open[row.number]
                rows.append(row)
                if row.ended or stops(row):
                    found[row.prefix.job] = text_of(row)
    rows += [row for prefix in prefixes for row in prefix.open.values()]
    whole = [len(row.prefix.ids) + len(row.tokens) for row in rows]
    return found, Ledger(
        prompt_tokens=sum(len(row.prefix.ids) for row in rows),
        generated_tokens=sum(len(row.tokens) for row in rows),
        context_tokens=sum(n * (n + 1) // 2 for n in whole),
        calls=len(rows), seconds=perf_counter() - began,
    )  # fmt: skip


def _prefix(
    loaded: Loaded, texts: Texts, number: int, prompt: str, max_tokens: int
) -> Prefix:
    ids = texts.encode(prompt)
    room = loaded.context - len(ids)
    if room < 1:
        raise ValueError(
            f"a prompt of {len(ids)} tokens ({prompt[:60]!r}...): the model reads 1 to "
            f"{loaded.context - 1}"
        )
    return Prefix(
        job=number, ids=ids, stream=0, rows=range(1), temperature=0.0,
        limit=min(room, max_tokens), keep=False,
    )  # fmt: skip
