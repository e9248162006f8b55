"""What an endpoint is sent as a prompt, and how many tokens that is.

Token ids, where the server tokenises too (vLLM's `/tokenize`): then what is sent is
exact. Text otherwise. With a tokenizer given, prompts are put in their format and
counted here, without asking the server.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tts_lab import formats
from tts_lab.formats import Format
from tts_lab.proposers import checkpoints
from tts_lab.proposers.endpoint_errors import EndpointError, broken
from tts_lab.proposers.replica_identity import PROBE, message
from tts_lab.proposers.replicas import Replicas

READ_ATTEMPTS = 3
KEPT = 20_000  # prompts and texts whose tokens are remembered
Ids = NDArray[np.int32]


class Prompts:
    """The prompts of one served model.

    Parameters
    ----------
    endpoint : Replicas
    model : str
        Its name there.
    about : str
        Name and origin, for the choice of a format.
    format : Format, str or None
    tokenizer : str, path, tokenizer or None
        A rung, a folder, a hub id, or a loaded Hugging Face tokenizer.

    Raises
    ------
    ValueError
        For a chat format without a chat template, or a tokenizer that is not the
        server's.
    """

    def __init__(
        self,
        endpoint: Replicas,
        model: str,
        *,
        about: str,
        format: Format | str | None,
        tokenizer: Any,
    ) -> None:
        self._endpoint = endpoint
        self._model = model
        self._known: dict[tuple[str, str], Ids | int] = {}
        self._templates: dict[str, tuple[str, list[int]]] = {}
        self.tokenizes = self._asked({"prompt": PROBE}) is not None
        self._texts: Any = None
        if tokenizer is None:
            chats = self.tokenizes and self._asked(message(PROBE)) is not None
            self.format = self._choose(format, about, chats)
            return
        from tts_lab.proposers.texts import Texts

        local = _load(tokenizer)
        chats = bool(getattr(local, "chat_template", None))
        self.format = formats.choose(format, about, has_template=chats)
        self._texts = Texts(local, self.format)
        if self.tokenizes:
            here = Texts(local, formats.FORMATS["plain"]).encode(PROBE)
            there = self._ids({"prompt": PROBE})
            if list(here) != there:
                raise ValueError(
                    f"tokenizer={tokenizer!r} is not that of {model!r}: of {PROBE!r} "
                    f"it makes {list(here)}, the server {there}; accepted is the "
                    "model's own, or None"
                )

    def count(self, prompt: str, text: str) -> int:
        """Tokens of a prompt in its format and what was written after it."""
        known = self._look(prompt, text)
        return known if isinstance(known, int) else len(known)

    def sent(self, prompt: str, text: str) -> list[int] | str:
        """What the server is given: token ids, or text if it does not tokenise."""
        if self.tokenizes:
            known = self._look(prompt, text)
            assert not isinstance(known, int)
            ids: list[int] = known.tolist()
            return ids
        if self._texts is None:
            return self.format.render(prompt, text)
        tokenizer = self._texts.tokenizer
        asked = self.format.render(prompt, text, tokenizer)
        front = getattr(tokenizer, "bos_token", None)
        if front and tokenizer("").input_ids[:1] == [tokenizer.bos_token_id]:
            # the server puts it in front too, and templates hold it already
            return asked.removeprefix(front)
        return asked

    def _look(self, prompt: str, text: str) -> Ids | int:
        key = (prompt, text)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._work_out(prompt, text)
            if len(self._known) > KEPT:
                del self._known[next(iter(self._known))]
        return known

    def _work_out(self, prompt: str, text: str) -> Ids | int:
        if self._texts is not None:
            return np.array(self._texts.encode(prompt, text), np.int32)
        if not self.tokenizes:
            return self._count_there(prompt, text)
        if not self.format.chat:
            asked = self.format.render(prompt, text)
            return np.array(self._read({"prompt": asked}), np.int32)
        written, ids = self._template(prompt)
        if not text:
            return np.array(ids, np.int32)
        plain = {"add_special_tokens": False}
        if written:
            return np.array(self._read({"prompt": written + text} | plain), np.int32)
        return np.array(ids + self._read({"prompt": text} | plain), np.int32)

    def _template(self, prompt: str) -> tuple[str, list[int]]:
        """A chat up to the model's turn: its text (empty if not exact) and its ids."""
        if prompt not in self._templates:
            messages = self.format.messages(prompt)
            ids = self._read({"messages": messages, "add_generation_prompt": True})
            payload = {"model": self._model, "tokens": ids}
            text = self._endpoint.ask("/detokenize", payload).get("prompt") or ""
            again = self._read({"prompt": text, "add_special_tokens": False})
            self._templates[prompt] = (text if again == ids else "", ids)
        return self._templates[prompt]

    def _asked(self, payload: dict[str, Any]) -> list[int] | None:
        """Token ids, or None if the server does not tokenise that."""
        try:
            return self._ids(payload)
        except EndpointError as error:
            if error.transient and error.status != 501:
                raise
            return None

    def _read(self, payload: dict[str, Any]) -> list[int]:
        """Token ids of what a user gave."""
        try:  # vLLM says 500 of what it cannot read; others, that they are busy
            return self._ids(payload, attempts=READ_ATTEMPTS)
        except EndpointError as error:
            failed = error
        if failed.status in (400, 422, 500) and self._asked({"prompt": PROBE}):
            asked = payload.get("prompt", payload.get("messages"))
            raise ValueError(
                f"the tokenizer of {self._model!r} cannot read {asked!r}: {failed}"
            )
        return self._ids(payload)

    def _ids(
        self, payload: dict[str, Any], *, attempts: int | None = None
    ) -> list[int]:  # fmt: skip
        payload = {"model": self._model} | payload
        answer = self._endpoint.ask("/tokenize", payload, attempts=attempts)
        ids = answer.get("tokens") if isinstance(answer, dict) else None
        if not ids or not all(isinstance(one, int) for one in ids):
            url = f"{self._endpoint.root}/tokenize"
            raise broken(url, f"{answer!r:.200} has no tokens", transient=False)
        return list(ids)

    def _count_there(self, prompt: str, text: str) -> int:
        """What the server counts, told with a completion of one token."""
        payload = {
            "model": self._model,
            "prompt": self.sent(prompt, text),
            "max_tokens": 1,
            "temperature": 0.0,
        }
        answer = self._endpoint.ask("/v1/completions", payload)
        usage = answer.get("usage") if isinstance(answer, dict) else None
        if not isinstance(usage, dict) or not isinstance(
            usage.get("prompt_tokens"), int
        ):
            raise ValueError(
                f"the server does not count the tokens of {self._model!r}; give "
                "tokenizer=, the model's folder or hub id"
            )
        return int(usage["prompt_tokens"])

    def _choose(self, format: Format | str | None, about: str, chats: bool) -> Format:
        chosen = formats.choose(format, about, has_template=chats or format is not None)
        if chosen.chat and not chats:
            why = "the server has no chat template for it" if self.tokenizes else (
                "the server does not tokenise (no /tokenize)"
            )  # fmt: skip
            raise ValueError(
                f"format {chosen.name!r} needs the chat template of {about!r}, and "
                f"{why}; give tokenizer=, its folder or hub id, or take one of "
                f"{formats.names(chat=False)}"
            )
        return chosen


def _load(tokenizer: Any) -> Any:
    if not isinstance(tokenizer, str | Path):
        return tokenizer
    try:
        from transformers import AutoTokenizer
    except ImportError:
        raise ImportError(
            f'tokenizer={tokenizer!r} needs transformers: pip install "tts-lab[hf]"'
        ) from None
    where: str | Path = tokenizer
    of_the_hub = str(tokenizer).count("/") == 1 and str(tokenizer)[0] not in "./~"
    if not of_the_hub or Path(tokenizer).is_dir():
        where = checkpoints.locate(tokenizer)
    try:
        return AutoTokenizer.from_pretrained(where, trust_remote_code=False)
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # its errors have no common class
        raise ValueError(
            f"tokenizer={tokenizer!r} cannot be loaded ({error}); accepted are a rung, "
            "a folder with tokenizer.json, or a hub id"
        ) from None
