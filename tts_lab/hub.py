"""Models of the Hugging Face hub: those in its cache, and fetching one with progress.

Promises: safetensors only, nothing printed, and a cancel that works within one piece
of a download; what was fetched stays and the next try goes on from there. Not covered:
what a model is good for.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

from tts_lab.json_files import read_object
from tts_lab.memory import size
from tts_lab.proposers import checkpoints

FILES = ("*.json", "*.safetensors", "*.jinja", "*.model", "*.txt")


class Cancelled(Exception):
    """What was asked for was cancelled before its end."""


class Remote(NamedTuple):
    """A model as the hub lists it: bytes of its weights, and its config."""

    weights: int
    config: dict[str, Any]


def cached() -> dict[str, Path]:
    """Models in the hub's cache that have safetensors: name -> newest folder."""
    if find_spec("huggingface_hub") is None:
        return {}
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        repos = scan_cache_dir().repos
    except CacheNotFound:
        return {}
    models: dict[str, Path] = {}
    for repo in sorted(repos, key=lambda repo: repo.repo_id):
        revisions = sorted(repo.revisions, key=lambda one: one.last_modified)
        whole = [r.snapshot_path for r in revisions if is_whole(r.snapshot_path)]
        if repo.repo_type == "model" and whole:
            models[repo.repo_id] = whole[-1]
    return models


def snapshot(name: str, *, revision: str | None = None) -> Path | None:
    """The folder of a model in the cache; None if it is not there as a whole."""
    if find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(name, "config.json", revision=revision)
    folder = Path(found).parent if isinstance(found, str) else None
    return folder if folder is not None and is_whole(folder) else None


def is_whole(folder: Path) -> bool:
    """Whether it has a config and all its safetensors.

    >>> from tts_lab import ladder
    >>> is_whole(ladder.path("105k"))
    True
    """
    if not (folder / "config.json").is_file():
        return False
    try:
        parts = checkpoints.shards(folder) or checkpoints.weight_files(folder)
    except (ValueError, OSError):
        return False
    return all((folder / part).is_file() for part in parts)


def remote(name: str) -> Remote:
    """What the hub says of a model; fetches its config, not its weights.

    Raises
    ------
    ValueError
        If the hub cannot be reached, has no such model, or it has no safetensors.
    """
    _required(name)
    from huggingface_hub import HfApi, hf_hub_download

    try:
        listed = HfApi().model_info(name, files_metadata=True).siblings or []
        weights = [f.size or 0 for f in listed if f.rfilename.endswith(".safetensors")]
        config: dict[str, Any] = {}
        if any(file.rfilename == "config.json" for file in listed):
            path = hf_hub_download(name, "config.json", tqdm_class=_bar(_silent, None))
            config = read_object(Path(path))
    except Exception as error:  # its errors have no common class
        raise ValueError(_unreachable(name, error)) from error
    if not weights:
        raise ValueError(
            f"{name!r} has no *.safetensors on the hub; accepted are safetensors only, "
            "since loading a pickle can run code"
        )
    return Remote(sum(weights), config)


def fetch(
    name: str,
    *,
    revision: str | None = None,
    say: Callable[[str], object] = lambda message: None,
    cancel: Event | None = None,
) -> Path:
    """A model's folder in the cache, fetched if it is not there.

    Raises
    ------
    Cancelled
    ValueError
        If it cannot be had.
    """
    folder = snapshot(name, revision=revision)
    if folder is not None:
        return folder
    _required(name)
    from huggingface_hub import snapshot_download

    bar = _bar(lambda words: say(f"{name}: {words}"), cancel)
    try:
        return Path(
            snapshot_download(
                name, revision=revision, allow_patterns=list(FILES), tqdm_class=bar
            )
        )
    except Cancelled:
        raise
    except Exception as error:
        if cancel is not None and cancel.is_set():
            raise Cancelled(name) from error
        raise ValueError(_unreachable(name, error)) from error


def _required(name: str) -> None:
    if find_spec("huggingface_hub") is None:
        raise ImportError(
            f"{name!r} is a hub id and huggingface_hub is not installed: "
            'pip install "tts-lab[hf]"'
        )


def _unreachable(name: str, error: Exception) -> str:
    first = (str(error).strip().splitlines() or [""])[0].rstrip(". ")
    what = f"{type(error).__name__}: {first[:200]}"
    return (
        f"{name!r} is no folder here and could not be had from the hub: {what}; "
        "check the name and the connection (gated models need HF_TOKEN in the "
        "environment)"
    )


def _silent(words: str) -> None:
    pass


def _bar(say: Callable[[str], object], cancel: Event | None) -> Any:
    """A progress bar that shows nothing, tells how far it is and obeys `cancel`."""
    from tqdm import tqdm  # type: ignore[import-untyped]

    class Bar(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            options.pop("name", None)
            self.bytes = options.get("unit") == "B"
            super().__init__(*args, **options | {"disable": True})

        def update(self, n: float | None = 1) -> None:
            if cancel is not None and cancel.is_set():
                raise Cancelled
            self.n += n or 0
            if self.bytes and self.total:
                say(f"fetched {size(int(self.n))} of {size(int(self.total))}")

    return Bar
