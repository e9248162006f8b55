"""Hugging Face checkpoints, as far as every backend needs them; no torch here.

Finding a model's folder (rung, local folder or hub id), its size, a fingerprint that
does not read all weights, and the seeds of rows for backends with random generators of
their own. Folders come from strangers: whatever is in one, the functions here end with
a result or a ValueError that names the file, and read nothing outside of it but what
links of its own point to, as those of the hub's cache do.
"""

from __future__ import annotations

from hashlib import blake2b
from math import prod
from pathlib import Path
from typing import Any

from tts_lab import ladder
from tts_lab.json_files import is_count, read_object
from tts_lab.ladder.rungs import EVERY
from tts_lab.proposers import Size

#: rows that one stream can have
SEEDS_PER_STREAM = 2**24
SUFFIX = ".safetensors"
INDEX = "model.safetensors.index.json"


def seed_of(stream: int, row: int) -> int:
    """A row's seed, 0 to 2**63 - 1; consecutive rows have consecutive seeds.

    vLLM gives sample i of a request with n > 1 the seed of the request plus i, so
    rows can be asked for in any grouping. A stream begins anywhere: generators that
    keep only the lower 32 bits of a seed (torch's on a processor) must tell two
    streams apart by those.

    >>> seed_of(7, 3) - seed_of(7, 0), seed_of(2**64 - 1, 2**24 - 1) < 2**63
    (3, True)
    """
    digest = blake2b(stream.to_bytes(8, "little"), digest_size=8).digest()
    first = int.from_bytes(digest, "little") % (2**63 - SEEDS_PER_STREAM)
    return first + row


def locate(model: str | Path, *, revision: str | None = None) -> Path:
    """The folder of a rung, a local folder, or a model of the Hugging Face hub.

    A hub model is fetched once (safetensors only) and then found in its cache.

    Raises
    ------
    ValueError
        If it is none of the three; the message says what was tried.

    >>> locate("105k").name
    '105k'
    """
    name = str(model)
    if name in EVERY:
        return ladder.path(name)
    if Path(name).expanduser().is_dir():
        return Path(name).expanduser()
    looks_local = name.startswith((".", "/", "~")) or name.count("/") != 1
    if looks_local:
        raise ValueError(
            f"{name!r} is no rung, no folder and no hub id; accepted are "
            f"{list(EVERY)}, the path of a Hugging Face folder, or owner/name"
        )
    from tts_lab import hub

    return hub.fetch(name, revision=revision)


def config_of(folder: Path) -> dict[str, Any]:
    """What `config.json` says.

    Raises
    ------
    ValueError
        If it is missing or no JSON object.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise ValueError(
            f"{str(folder)!r} is not a model folder: it has no config.json; accepted "
            "is a Hugging Face folder with config.json and *.safetensors"
        )
    return read_object(path)


def weight_files(folder: Path) -> list[Path]:
    """The safetensors of a folder.

    Raises
    ------
    ValueError
        If there are none: pickled weights are not read; or if the index names files
        outside of the folder, or of another kind.
    """
    shards(folder)
    found = sorted(path for path in folder.glob("*.safetensors") if path.is_file())
    if not found:
        raise ValueError(
            f"{str(folder)!r} has no *.safetensors; accepted are safetensors only, "
            "since loading a pickle can run code"
        )
    return found


def shards(folder: Path) -> list[str]:
    """The files that `model.safetensors.index.json` names; none without one.

    Raises
    ------
    ValueError
        If one is not a *.safetensors in the folder itself: an index is a stranger's,
        and could name any file of this machine.
    """
    path = folder / INDEX
    if not path.is_file():
        return []
    weights = read_object(path).get("weight_map")
    if not isinstance(weights, dict):
        raise ValueError(f"{path} has no weight_map")
    for name in (named := dict.fromkeys(map(str, weights.values()))):
        if Path(name).name != name or "\\" in name or Path(name).suffix != SUFFIX:
            raise ValueError(
                f"{path} names {name!r}; accepted are *{SUFFIX} in the same folder"
            )
    return list(named)


def headers(folder: Path) -> dict[str, dict[str, Any]]:
    """Name, dtype and shape of every tensor, without reading the weights.

    Raises
    ------
    ValueError
        If there are no safetensors, or one is damaged.
    """
    from safetensors import SafetensorError, safe_open

    tensors: dict[str, dict[str, Any]] = {}
    for path in weight_files(folder):
        try:
            with safe_open(path, framework="numpy") as stored:
                for name in stored.keys():  # noqa: SIM118 (it is no dict)
                    one = stored.get_slice(name)
                    kind, shape = one.get_dtype(), list(one.get_shape())
                    tensors[name] = {"dtype": kind, "shape": shape}
        except SafetensorError as error:
            raise ValueError(f"{path} cannot be read as safetensors: {error}") from None
    return tensors


def size_of(folder: Path) -> Size:
    """Parameters, layers and hidden size, from the headers and `config.json`.

    Raises
    ------
    ValueError
        If either is missing, damaged, or says nothing of them.

    >>> size_of(locate("105k"))
    Size(parameters=104768, layers=2, hidden=64)
    """
    config = config_of(folder)
    config = config.get("text_config", config)
    parameters = sum(prod(tensor["shape"]) for tensor in headers(folder).values())
    layers = hidden = None
    if isinstance(config, dict):
        layers = config.get("num_hidden_layers", config.get("n_layer"))  # GPT-2's name
        hidden = config.get("hidden_size", config.get("n_embd"))
    if not (is_count(layers) and is_count(hidden)):
        raise ValueError(
            f"{folder / 'config.json'} has no num_hidden_layers and hidden_size "
            f"({layers!r} and {hidden!r}); accepted is the config of a language model"
        )
    return Size(parameters, int(layers or 0), int(hidden or 0))


def fingerprint(folder: Path, *parts: object) -> str:
    """A hash of a model and of `parts` (format, dtype, backend) that shape its samples.

    Of each weight file the size, the header and 16 stretches of 64 KiB are read, so
    that a model of 100 GB takes no longer than a small one.

    >>> len(fingerprint(locate("105k"), "float32"))
    32
    """
    digest = blake2b(repr(parts).encode(), digest_size=16)
    for name in ("config.json", "generation_config.json", "tokenizer.json",
                 "tokenizer_config.json", "chat_template.jinja"):  # fmt: skip
        if (folder / name).is_file():
            digest.update(name.encode() + (folder / name).read_bytes())
    for path in weight_files(folder):
        size = path.stat().st_size
        digest.update(f"{path.name} {size}".encode())
        with path.open("rb") as file:
            header = int.from_bytes(file.read(8), "little")
            digest.update(file.read(min(8 + header, size)))
            for part in range(16):
                file.seek(part * max(size - 65_536, 0) // 15)
                digest.update(file.read(65_536))
    return digest.hexdigest()
