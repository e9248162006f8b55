"""Where a sweep's tables lie: Parquet in Hive's partitions, on any file system.

    OUT/plan.json                       the plan, its hash, schema and version
    OUT/samples/policy=.../verifier=.../strategy=.../budget=.../seed=.../ID.parquet
    OUT/results/...the same.../ID.parquet

Promises: a file is there whole or not at all (a temporary name, then a rename); of a
unit, `results` is written last, so what has results has samples too; each file's
metadata says what made it. OUT is a path or any URL that fsspec opens. Not covered:
two sweeps at once into one OUT, which write the same bytes twice.
"""

from __future__ import annotations

import io
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from tts_lab import __version__
from tts_lab.models import hidden
from tts_lab.sweeps.units import Unit
from tts_lab.sweeps.work import Columns, Made

SCHEMA = 1
TABLES = ("samples", "results")
_PIP = 'sweeps write Parquet; install them: pip install "tts-lab[sweep]"'


class SweepError(OSError):
    """A folder that is no sweep, holds another one, or is of a newer version."""


class Store:
    """A sweep's folder.

    Parameters
    ----------
    out : str or path
        A local path, or a URL such as s3://bucket/sweep (which needs s3fs).

    Raises
    ------
    ImportError
        If pyarrow, fsspec or what the URL needs is missing.
    """

    def __init__(self, out: str | os.PathLike[str]) -> None:
        try:
            fsspec = import_module("fsspec")
            import_module("pyarrow")
        except ImportError as error:
            raise ImportError(_PIP) from error
        self.out = os.fspath(out)
        if not self.out:
            raise ValueError("--out ''; accepted is a path, or a URL of fsspec's")
        self.fs, self.root = fsspec.url_to_fs(self.out)
        self.root = self.root.rstrip("/") or self.root
        protocols = {self.fs.protocol} if isinstance(self.fs.protocol, str) else (
            set(self.fs.protocol)
        )  # fmt: skip
        self.is_local = bool(protocols & {"file", "local"})
        self.is_private = "memory" in protocols  # of one process

    @property
    def title(self) -> str:
        """The folder, without passwords."""
        return hidden(self.out)

    def begin(self, header: dict[str, Any], *, resume: bool) -> None:
        """Write `plan.json`, or on `resume` see that it is of the same plan.

        Raises
        ------
        SweepError
            If there is a sweep already and resume is False, or one of another plan.
        """
        known = self.header()
        if known is None:
            if self.fs.exists(self.root) and self.fs.ls(self.root):
                raise SweepError(
                    f"{self.title!r} holds files that are no sweep; name a new folder"
                )
            text = json.dumps(header, indent=2, sort_keys=True) + "\n"
            self._write("plan.json", text.encode())
        elif not resume:
            raise SweepError(
                f"{self.title!r} holds a sweep already; --resume goes on with it, or "
                "name another --out"
            )
        elif known["hash"] != header["hash"]:
            differing = sorted(
                key for key, value in header["plan"].items()
                if known.get("plan", {}).get(key) != value
            )  # fmt: skip
            raise SweepError(
                f"{self.title!r} holds a sweep of another plan: "
                f"{', '.join(differing) or 'the content of the problems'} differs; "
                "name another --out"
            )

    def header(self) -> dict[str, Any] | None:
        """What `plan.json` says; None where there is none.

        Raises
        ------
        SweepError
            If it cannot be read, or is of a newer schema.
        """
        try:
            content = self.fs.cat_file(f"{self.root}/plan.json")
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            known = json.loads(content)
            schema = known["schema"]
            if not (isinstance(known["hash"], str) and isinstance(schema, int)):
                raise TypeError("hash and schema")
            if not isinstance(known.get("plan", {}), dict):
                raise TypeError("plan")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise SweepError(
                f"{self.title}/plan.json is no sweep's plan ({error!r})"
            ) from error
        if schema > SCHEMA:
            raise SweepError(
                f"{self.title!r} was written by a newer tts-lab (schema {schema}; this "
                f"one reads {SCHEMA}): install a newer one"
            )
        return dict(known)

    def done(self) -> set[str]:
        """Ids of the units whose two tables are there."""
        found = []
        for table in TABLES:
            files = self.fs.find(f"{self.root}/{table}")
            found.append({Path(file).stem for file in files
                          if file.endswith(".parquet")})  # fmt: skip
        return found[0] & found[1]

    def files(self, table: str) -> list[str]:
        """All files of a table, in the order of their names."""
        every = self.fs.find(f"{self.root}/{table}")
        return sorted(file for file in every if file.endswith(".parquet"))

    def put(self, unit: Unit, made: Made, plan_hash: str) -> None:
        """Write a unit's two tables."""
        for table in TABLES:
            data = _parquet(table, getattr(made, table), about(unit, made, plan_hash))
            self._write(f"{table}/{unit.folder}/{unit.id}.parquet", data)

    def read(self, file: str) -> tuple[Any, dict[str, Any]]:
        """A table and what its metadata says.

        Raises
        ------
        SweepError
            If it is damaged, or no sweep's.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(io.BytesIO(self.fs.cat_file(file)))
            return table, json.loads(table.schema.metadata[b"tts_lab"])
        except (pa.ArrowException, ValueError, KeyError, TypeError,
                RecursionError) as error:  # fmt: skip
            raise SweepError(f"{file} is damaged ({error!r:.200})") from error

    def fingerprints(self, units: list[Unit]) -> dict[str, str]:
        """Of each model that one of these finished units used."""
        found: dict[str, str] = {}
        for unit in units:
            names = (f"policy/{unit.policy.name}", f"verifier/{unit.verifier.name}")
            if all(name in found for name in names):
                continue
            path = f"{self.root}/results/{unit.folder}/{unit.id}.parquet"
            _, told = self.read(path)
            for name, role in zip(names, ("policy", "verifier"), strict=True):
                found.setdefault(name, str(told[role]["fingerprint"]))
        return found

    def rows(self, table: str) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Every file's table and metadata, in the order of their names."""
        for file in self.files(table):
            yield self.read(file)

    def _write(self, name: str, data: bytes) -> None:
        path = f"{self.root}/{name}"
        parent, _, last = path.rpartition("/")
        self.fs.makedirs(parent, exist_ok=True)
        part = f"{parent}/.{last}.{uuid.uuid4().hex}.part"
        try:
            if self.is_local:
                with open(part, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(part, path)
            else:
                self.fs.pipe_file(part, data)
                self.fs.mv(part, path)
        except BaseException:
            with suppress(Exception):  # the first error is the one to see
                self.fs.rm_file(part)
            raise


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


def _parquet(table: str, columns: Columns, told: dict[str, Any]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        "samples": {
            "problem": pa.int64(), "key": pa.binary(), "row": pa.int64(),
            "prefix": pa.string(), "text": pa.string(), "tokens": pa.int32(),
            "finished": pa.bool_(), "logprob": pa.float32(), "score": pa.float64(),
            "right": pa.bool_(),
        },
        "results": {
            "problem": pa.int64(), "domain": pa.string(), "level": pa.int64(),
            "prompt": pa.string(), "answer": pa.string(), "right": pa.bool_(),
            "covered": pa.bool_(), "passed": pa.float64(), "samples": pa.int64(),
            "prompt_tokens": pa.int64(), "generated_tokens": pa.int64(),
            "verifier_tokens": pa.int64(), "flops": pa.float64(),
            "seconds": pa.float64(),
        },
    }  # fmt: skip
    metadata = {"tts_lab": json.dumps(told, sort_keys=True)}
    schema = pa.schema(list(types[table].items()), metadata)
    sink = io.BytesIO()
    pq.write_table(pa.table(columns, schema=schema), sink, compression="zstd")
    return sink.getvalue()
