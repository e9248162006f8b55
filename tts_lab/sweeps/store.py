"""Where a sweep's tables lie: Parquet in Hive's partitions, on any file system.

    OUT/plan.json                       the plan, its hash, schema and version
    OUT/samples/policy=.../verifier=.../strategy=.../budget=.../seed=.../ID.parquet
    OUT/results/...the same.../ID.parquet

Promises: a file is there whole or not at all (a temporary name, then a rename); of a
unit, `results` is written last, so what has results has samples too; each file's
metadata says what made it. OUT is a path or any URL that fsspec opens. On a local path
one sweep at a time may write (by a lock that the system lifts when a process dies).
Not covered: two sweeps at once into one URL; of one plan they write the same bytes
twice.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import PurePosixPath
from typing import Any

from tts_lab.models import hidden
from tts_lab.sweeps.tables import SCHEMA, TABLES, about, packed, spent, unpacked
from tts_lab.sweeps.units import Unit
from tts_lab.sweeps.work import Cost, Made

_PIP = 'sweeps write Parquet; install them: pip install "tts-lab[sweep]"'
_LOCK = ".lock"
_AT_ONCE = 256  # files read together, for file systems far away


class SweepError(OSError):
    """A folder that is no sweep, holds another one, or is of a newer version."""


@dataclass
class Known:
    """What earlier runs of a sweep left.

    Attributes
    ----------
    done : set of str
        Ids of the units whose two tables are there.
    fingerprints : dict of str to str
        Of the models they used, by "policy/name" or "verifier/name".
    cost : Cost
        What they cost.
    """

    done: set[str] = field(default_factory=set)
    fingerprints: dict[str, str] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)


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
    ValueError
        For a URL of a kind that fsspec does not know.
    """

    def __init__(self, out: str | os.PathLike[str]) -> None:
        try:
            fsspec = import_module("fsspec")
            import_module("pyarrow")
        except ImportError as error:
            raise ImportError(_PIP) from error
        self.out = os.fspath(out)
        if not self.out.strip():
            raise ValueError(
                f"--out {self.out!r}; accepted is a path, or a URL of fsspec's"
            )
        try:
            self.fs, self.root = fsspec.url_to_fs(self.out)
        except ValueError as error:
            raise ValueError(f"--out {self.title!r}: {error}") from error
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

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While it lasts, no other process on this machine gets in here.

        Raises
        ------
        SweepError
            If another one is at work, or the folder holds something else.
        """
        self.fs.invalidate_cache()  # of listings that this process made before
        if self.header() is None:
            there = self.fs.ls(self.root, detail=False) if self._exists() else []
            if [one for one in there if not one.endswith("/" + _LOCK)]:
                raise SweepError(
                    f"{self.title!r} holds files that are no sweep; name a new folder"
                )
        lock = None
        if self.is_local:
            with suppress(ImportError):  # Windows
                lock = import_module("fcntl")
        if lock is None:
            yield
            return
        os.makedirs(self.root, exist_ok=True)
        with open(f"{self.root}/{_LOCK}", "ab") as file:
            try:
                lock.flock(file, lock.LOCK_EX | lock.LOCK_NB)
            except BlockingIOError:
                raise SweepError(
                    f"another sweep is writing to {self.title!r}; wait for it, or "
                    "name another --out"
                ) from None
            except OSError:  # a file system without locks
                pass
            yield

    def begin(self, header: dict[str, Any], *, resume: bool) -> None:
        """Write `plan.json`, or on `resume` see that it is of the same plan.

        Raises
        ------
        SweepError
            If there is a sweep already and resume is False, or one of another plan.
        """
        known = self.header()
        if known is None:
            text = json.dumps(header, indent=2, sort_keys=True) + "\n"
            self._write("plan.json", text.encode())
            known = self.header() or {}  # another machine's, if that was later
        elif not resume:
            raise SweepError(
                f"{self.title!r} holds a sweep already; --resume goes on with it, or "
                "name another --out"
            )
        if known.get("hash") != header["hash"]:
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

    def known(self, units: Sequence[tuple[str, Unit]], plan_hash: str) -> Known:
        """What is there of these units; one with a damaged file is not done.

        Parameters
        ----------
        units : sequence of (str, Unit)
            With their ids.
        plan_hash : str

        Raises
        ------
        SweepError
            If a file is of another plan.
        """
        found = Known()
        samples = {PurePosixPath(file).stem for file in self.files("samples")}
        results = {PurePosixPath(file).stem: file for file in self.files("results")}
        there = [(one, unit) for one, unit in units if one in results.keys() & samples]
        for start in range(0, len(there), _AT_ONCE):
            some = there[start : start + _AT_ONCE]
            paths = [results[one] for one, _ in some]
            contents = self.fs.cat_ranges(paths, None, None, on_error="raise")
            for (one, unit), content in zip(some, contents, strict=True):
                try:
                    table, told = self._unpack(results[one], content)
                except SweepError:
                    continue
                if told["plan"] != plan_hash:
                    raise SweepError(f"{results[one]} is of a sweep of another plan")
                found.done.add(one)
                found.cost = found.cost.plus(spent(table))
                for role, model in (
                    ("policy", unit.policy),
                    ("verifier", unit.verifier),
                ):
                    mark = str(told[role]["fingerprint"])
                    found.fingerprints.setdefault(f"{role}/{model.name}", mark)
        return found

    def tidy(self) -> None:
        """Remove what a killed process had not finished writing."""
        if self.is_local:
            for file in self.fs.find(self.root):
                if _is_part(PurePosixPath(file).name):
                    with suppress(OSError):
                        os.unlink(file)

    def files(self, table: str) -> list[str]:
        """All files of a table, in the order of their names."""
        every = self.fs.find(f"{self.root}/{table}")
        return sorted(file for file in every if file.endswith(".parquet"))

    def put(self, unit: Unit, made: Made, plan_hash: str) -> None:
        """Write a unit's two tables."""
        for table in TABLES:
            data = packed(table, getattr(made, table), about(unit, made, plan_hash))
            self._write(f"{table}/{unit.folder}/{unit.id}.parquet", data)

    def read(self, file: str) -> tuple[Any, dict[str, Any]]:
        """A table and what its metadata says.

        Raises
        ------
        SweepError
            If it is damaged, or no sweep's.
        """
        return self._unpack(file, self.fs.cat_file(file))

    def _unpack(self, file: str, data: bytes) -> tuple[Any, dict[str, Any]]:
        import pyarrow as pa

        try:
            return unpacked(data)
        except (pa.ArrowException, OSError, ValueError, KeyError, TypeError,
                RecursionError) as error:  # fmt: skip
            raise SweepError(f"{file} is damaged ({error!r:.200})") from error

    def _exists(self) -> bool:
        return bool(self.fs.exists(self.root))

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


def _is_part(name: str) -> bool:
    return name.startswith(".") and name.endswith(".part")
