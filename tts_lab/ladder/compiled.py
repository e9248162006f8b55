"""Compile the kernels once, keep the machine code, never in silence.

The code is kept in the user's cache folder under a name that is a hash of what was
compiled and by what: another version, another processor or an edited kernel gets
another folder, and a read-only installation does no harm. Where the cache folder
cannot be written either, every start compiles again, and says so.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numba
from llvmlite import binding
from platformdirs import user_cache_path

_SOURCES = ("arrays.py", "kernels.py", "decode.py")
_warm = False


def folder() -> Path:
    """Where the machine code of this version is kept."""
    digest = hashlib.sha256()
    for name in _SOURCES:
        digest.update(Path(__file__).with_name(name).read_bytes())
    # numba keys its code by place and processor too, and would compile in silence
    place = Path(__file__).resolve().parent
    made_by = (numba.__version__, sys.version, binding.get_host_cpu_name(), place)
    digest.update(" ".join(map(str, made_by)).encode())
    return user_cache_path("tts-lab") / f"kernels-{digest.hexdigest()[:16]}"


def can_keep() -> bool:
    """Whether machine code is kept; elsewhere every start compiles again."""
    try:  # numba wants to write also where it only reads
        folder().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder()):
            return True
    except OSError:
        return False


def is_cached() -> bool:
    """Whether machine code has been kept before."""
    try:
        return any(folder().glob("**/decode.advance*.nbc"))
    except OSError:  # a folder that may not be entered
        return False


def ensure(say: Callable[[str], object] | None = None) -> None:
    """Load the kernels, compiling them when this machine never did.

    A compilation is announced through `say`; by default on standard error.
    """
    global _warm
    if _warm:
        return
    kept = can_keep()
    if not (kept and is_cached()):
        if say is None:
            say = sys.stderr.write
        often = "once on this machine"
        if not kept:
            often = f"again at every start: {folder()} cannot be written, see "
            often += "`tts-lab doctor`"
        say(f"tts_lab: compiling the engine (about 20 s), {often} ...\n")
        _compile()
        say("tts_lab: compiled\n")
    else:
        _compile()
    _warm = True


def _look_for_blas_later() -> None:
    """Spare a quarter of a second at every start.

    numba imports scipy.linalg to learn that there is a BLAS, which these kernels do not
    use. Code that does use it still looks for itself, when it is compiled.
    """
    try:
        from numba.np import linalg

        look = linalg.ensure_blas
    except (ImportError, AttributeError):  # another numba: it looks now
        return
    linalg.ensure_blas = lambda: None
    try:
        import numba.np.arraymath  # noqa: F401
    finally:
        linalg.ensure_blas = look


def _compile() -> None:
    """Call every compiled entry once, on a model of one layer."""
    _look_for_blas_later()
    import numpy as np
    from numpy.typing import NDArray

    from tts_lab.ladder.engine import Engine
    from tts_lab.ladder.model_folder import Model
    from tts_lab.ladder.rows import Request
    from tts_lab.ladder.tokenizer import VOCABULARY

    size, vocabulary = 32, len(VOCABULARY)
    square = np.zeros((size, size), np.float32)
    names = ["q_proj", "k_proj", "v_proj", "o_proj"]
    weights: dict[str, NDArray[np.float32]] = {
        f"model.layers.0.self_attn.{name}.weight": square for name in names
    }
    weights |= {
        f"model.layers.0.mlp.{name}.weight": square
        for name in ("gate_proj", "up_proj", "down_proj")
    }
    norm = np.ones(size, np.float32)
    weights |= {
        "model.layers.0.input_layernorm.weight": norm,
        "model.layers.0.post_attention_layernorm.weight": norm,
        "model.norm.weight": norm,
        "model.embed_tokens.weight": np.zeros((vocabulary, size), np.float32),
    }
    model = Model("warmup", "", size, 1, 1, size, 64, 10_000.0, 1e-5, weights)
    request = Request(b"\x01", np.zeros(1, np.uint64), 0.0, 1)
    for _ in Engine(model, threads=1).write([request]):
        pass
