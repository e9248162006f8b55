"""Public reward models through transformers: the trunk, and a head read from its file.

The trunk runs as transformers' own class; the head is a few lines here, since the
published ones need code from the hub. Only the states at the steps' ends meet the head,
so no logits of a whole vocabulary are made. Weights come from safetensors alone.

Not covered: several devices, quantised weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tts_lab import interrupt
from tts_lab.proposers import checkpoints
from tts_lab.verifiers.prm_families import Family
from tts_lab.verifiers.prm_folder import EMBEDDING, HEADS
from tts_lab.verifiers.prm_tokens import PIP, Reading, Tokens

DTYPES = ("auto", "float32", "bfloat16", "float16")


class TorchBackend:
    """A reward model on the CPU, CUDA or MPS.

    Parameters
    ----------
    folder : Path
    family : Family
    tokens : Tokens
    device : str, optional
        By default CUDA, then MPS, then the CPU.
    dtype : str
        "auto" (as stored), "float32", "bfloat16" or "float16"; the head is always
        computed in float32.
    batch : int
        Solutions read side by side; halved when the device's memory runs out.

    Attributes
    ----------
    batch : int
        As it is now.
    notes : list of str
        What a user should be told, as that the batch was halved.
    """

    def __init__(
        self,
        folder: Path,
        family: Family,
        tokens: Tokens,
        *,
        device: str | None,
        dtype: str,
        batch: int,
    ) -> None:
        if dtype not in DTYPES:
            raise ValueError(f"dtype {dtype!r}: accepted are {', '.join(DTYPES)}")
        try:
            import torch
        except ImportError as error:
            raise ImportError(
                f"reward models need torch and transformers ({error}): {PIP}"
            ) from error
        self.device = _device(device)
        self.batch = batch
        self.notes: list[str] = []
        self._name = folder.name
        self._trunk: Any = _trunk(folder, dtype).to(self.device).eval()
        self._head = [
            (weight.to(self.device), None if bias is None else bias.to(self.device))
            for weight, bias in _head(folder, family, tokens)
        ]
        self._memory = (torch.OutOfMemoryError, MemoryError)

    def logits(self, readings: Sequence[Reading]) -> list[NDArray[np.float32]]:
        """Per reading the head's logits at its steps' ends, (steps, labels).

        Raises
        ------
        RuntimeError
            When the memory does not suffice for one solution, or after `close`.
        """
        if self._trunk is None:
            raise RuntimeError(f"{self._name!r} is closed; load it again to score")
        found: list[NDArray[np.float32]] = [np.zeros(0, np.float32)] * len(readings)
        # long with long, so that little is padding
        order = sorted(range(len(readings)), key=lambda i: -len(readings[i].ids))
        while order:
            interrupt.check()
            some = order[: self.batch]
            try:
                read = self._read([readings[i] for i in some])
            except self._memory:
                read = None
            if read is None:  # here, since the error held on to the memory
                self._halve()
                continue
            for i, logits in zip(some, read, strict=True):
                found[i] = logits
            order = order[len(some) :]
        return found

    def close(self) -> None:
        """Give the memory back; nothing can be scored afterwards."""
        import torch

        self._trunk, self._head = None, []
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()

    def _read(self, readings: Sequence[Reading]) -> list[NDArray[np.float32]]:
        import torch

        longest = max(len(reading.ids) for reading in readings)
        ids = torch.zeros((len(readings), longest), dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for row, reading in enumerate(readings):
            ids[row, : len(reading.ids)] = torch.tensor(reading.ids)
            mask[row, : len(reading.ids)] = 1
        with torch.inference_mode():
            states = self._trunk(
                input_ids=ids.to(self.device),
                attention_mask=mask.to(self.device),
                use_cache=False,
            ).last_hidden_state
            rows = [row for row, r in enumerate(readings) for _ in r.at]
            at = [position for reading in readings for position in reading.at]
            value = states[rows, at].float()
            for i, (weight, bias) in enumerate(self._head):
                value = torch.nn.functional.linear(
                    value.relu() if i else value, weight, bias
                )
            flat = value.cpu().numpy()
        ends = np.cumsum([len(reading.at) for reading in readings])
        return np.split(flat, ends[:-1])

    def _halve(self) -> None:
        import torch

        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()
        if self.batch == 1:
            raise RuntimeError(
                f"the memory of {self.device!r} does not suffice for one solution of "
                f"{self._name!r}; load it in bfloat16, give a smaller max_length, or "
                'take device="cpu"'
            )
        self.batch //= 2
        self.notes.append(
            f"memory of {self.device!r} ran out: {self.batch} solutions at a time now"
        )


def _device(device: str | None) -> str:
    import torch

    if device is None:
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise ValueError(f"device {device!r}: {error}") from None
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(kind, False):
        names = [name for name, is_there in there.items() if is_there]
        raise ValueError(f"device {device!r} is not here; there are {names}")
    return device


def _trunk(folder: Path, dtype: str) -> Any:
    """The model without its head."""
    import torch
    import transformers

    with _quiet():
        try:
            config = transformers.AutoConfig.from_pretrained(
                str(folder), trust_remote_code=False
            )
            # classes of the hub are not wanted: transformers has these architectures
            config.__dict__.pop("auto_map", None)
            trunk, info = transformers.AutoModel.from_pretrained(
                str(folder),
                config=config,
                dtype=dtype if dtype == "auto" else getattr(torch, dtype),
                trust_remote_code=False,
                use_safetensors=True,
                output_loading_info=True,
            )
        except (ImportError, MemoryError):
            raise
        except Exception as error:  # its errors have no common class
            raise ValueError(
                f"{str(folder)!r} cannot be loaded by transformers "
                f"{transformers.__version__}: {error}"
            ) from error
    missing = sorted(info["missing_keys"])
    if missing:
        raise ValueError(
            f"{str(folder)!r} lacks weights of a {type(trunk).__name__}: "
            f"{', '.join(missing[:5])}"
        )
    return trunk


def _head(folder: Path, family: Family, tokens: Tokens) -> list[tuple[Any, Any]]:
    """The head's layers in float32, each a weight and a bias or None."""
    if family.head == "tokens":
        assert family.candidates is not None
        held = checkpoints.headers(folder)
        name = "lm_head.weight" if "lm_head.weight" in held else EMBEDDING
        return [(_tensor(folder, name, list(family.candidates(tokens))), None)]
    return [
        (_tensor(folder, name), _tensor(folder, name.replace("weight", "bias")))
        for name in HEADS[family.head]
        if name.endswith("weight")
    ]


def _tensor(folder: Path, name: str, rows: list[int] | None = None) -> Any:
    """A tensor in float32, or these rows of it; None if there is none."""
    from safetensors import safe_open

    for path in checkpoints.weight_files(folder):
        with safe_open(str(path), framework="pt") as file:
            if name not in file.keys():  # noqa: SIM118  (it is no dict)
                continue
            if rows is None:
                return file.get_tensor(name).float()
            part = file.get_slice(name)
            import torch

            return torch.cat([part[row : row + 1] for row in rows]).float()
    return None


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' progress bar and its report of the weights left aside."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
