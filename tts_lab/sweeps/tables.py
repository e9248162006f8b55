"""A unit's two tables as Parquet: their columns, and what each file says of itself.

Promises: the same columns and metadata give the same bytes; a text with half a
surrogate pair, which UTF-8 cannot hold and broken servers send, is kept exactly, in
`raw`. Not covered: where files lie (`tts_lab.sweeps.store`).
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

from tts_lab import __version__
from tts_lab.sweeps.units import Unit
from tts_lab.sweeps.work import Columns, Cost, Made

SCHEMA = 1
TABLES = ("samples", "results")
_TYPES = {
    "samples": {
        "problem": "int64", "key": "binary", "row": "int64", "prefix": "string",
        "text": "string", "raw": "binary", "tokens": "int32", "finished": "bool",
        "logprob": "float", "score": "double", "right": "bool",
    },
    "results": {
        "problem": "int64", "domain": "string", "level": "int64", "prompt": "string",
        "answer": "string", "right": "bool", "covered": "bool", "passed": "double",
        "samples": "int64", "prompt_tokens": "int64", "generated_tokens": "int64",
        "verifier_tokens": "int64", "flops": "double", "seconds": "double",
    },
}  # fmt: skip


def about(unit: Unit, made: Made, plan_hash: str) -> dict[str, Any]:
    """A file's provenance; nothing in it depends on where or when."""
    return {
        "schema": SCHEMA,
        "tts_lab": __version__,
        "plan": plan_hash,
        "unit": unit.id,
        "policy": unit.policy.public() | {"fingerprint": made.fingerprints["policy"]},
        "verifier": unit.verifier.public()
        | {"fingerprint": made.fingerprints["verifier"]},
        "strategy": unit.strategy,
        "budget": unit.budget,
        "seed": unit.seed,
        "rule": unit.rule,
        "temperature": unit.temperature,
        "max_tokens": unit.max_tokens,
    }


def packed(table: str, columns: Columns, told: dict[str, Any]) -> bytes:
    """A table as a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = _TYPES[table]
    filled = dict(columns)
    if "raw" in types:
        filled["raw"] = raw(columns["text"])
    for name, kind in types.items():
        if kind == "string":
            filled[name] = readable(filled[name])
    # Arrow calls a float32 "float"
    fields = [(name, pa.type_for_alias(kind)) for name, kind in types.items()]
    schema = pa.schema(fields, {"tts_lab": json.dumps(told, sort_keys=True)})
    sink = io.BytesIO()
    pq.write_table(pa.table(filled, schema=schema), sink, compression="zstd")
    return sink.getvalue()


def unpacked(data: bytes) -> tuple[Any, dict[str, Any]]:
    """A file's table and metadata.

    Raises
    ------
    ValueError, TypeError, KeyError, pyarrow.ArrowException
        If it is no such file.
    """
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(data))
    return table, dict(json.loads(table.schema.metadata[b"tts_lab"]))


def texts(table: Any) -> list[str]:
    """The column `text` of a samples table exactly as it was drawn."""
    pairs = zip(table["text"].to_pylist(), table["raw"].to_pylist(), strict=True)
    return [
        text if data is None else data.decode("utf-8", "surrogatepass")
        for text, data in pairs
    ]


def spent(results: Any) -> Cost:
    """What a results table says that its unit cost."""
    return Cost.of(results.select(Cost.COLUMNS).to_pydict())


def raw(column: Sequence[str]) -> list[bytes | None]:
    """Of texts that UTF-8 cannot hold, their bytes as the bank keeps them.

    >>> raw(["47", chr(0xD83D)])
    [None, b'\\xed\\xa0\\xbd']
    """
    return [
        None if _whole(one) else one.encode("utf-8", "surrogatepass") for one in column
    ]


def readable(column: Sequence[str | None]) -> list[str | None]:
    """Texts that UTF-8 can hold: half a pair becomes the sign for what is lost.

    >>> readable(["47", None, "a" + chr(0xD83D)])
    ['47', None, 'a\ufffd']
    """
    return [
        one
        if one is None or _whole(one)
        else one.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        for one in column
    ]


def _whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
