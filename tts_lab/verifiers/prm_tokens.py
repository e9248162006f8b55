"""Text into token ids for public reward models, with the steps' places known.

A reward model reads a solution with a marker after every step. Here markers are put in
as token ids, at places that are counted, never searched for; and a question or a step
is encoded by a copy of the tokenizer without added tokens, so nothing written in it can
become a marker, a turn of a chat or the end of the text.

Not covered: which markers a model wants (`tts_lab.verifiers.prm_families`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PIP = 'pip install "tts-lab[hf]"'
#: stand for messages while a chat template is filled in; no user text goes through it
_PLACES = re.compile("([\ue000-\uf8ff])")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model reads of one solution, and where its scores are read.

    Attributes
    ----------
    ids : tuple of int, (tokens,)
    at : tuple of int, (steps,)
        Positions in `ids`, rising; the score of step i is computed at `at[i]`.
    """

    ids: tuple[int, ...]
    at: tuple[int, ...]


class Tokens:
    """A model folder's tokenizer.

    Attributes
    ----------
    added : dict
        Name and id of every token that is no part of ordinary text.

    Raises
    ------
    ImportError
        Without transformers; the message has the pip line.
    ValueError
        If the folder has no tokenizer that the `tokenizers` library can run.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import tokenizers
            import transformers
        except ImportError as error:
            raise ImportError(
                f"public reward models need transformers ({error}); {PIP}"
            ) from error
        self.folder = folder
        file = folder / "tokenizer.json"
        # The file is the published tokenizer. AutoTokenizer may build another one for
        # the architecture, so it is only asked where there is no file.
        auto: Any = transformers.PreTrainedTokenizerFast  # mypy: untyped
        try:
            if file.is_file():
                whole = tokenizers.Tokenizer.from_file(str(file))
            else:
                auto = transformers.AutoTokenizer
            self._chat = auto.from_pretrained(str(folder), trust_remote_code=False)
            if not file.is_file():
                whole = self._chat.backend_tokenizer
        except Exception as error:  # their errors have no common class
            raise ValueError(
                f"{str(folder)!r} has no tokenizer that can be used: {error}; "
                "accepted is a folder with tokenizer.json"
            ) from error
        parts = json.loads(whole.to_str())
        added = parts.pop("added_tokens")
        self.added: dict[str, int] = {one["content"]: one["id"] for one in added}
        self._plain = tokenizers.Tokenizer.from_str(
            json.dumps(parts | {"added_tokens": [], "post_processor": None})
        )
        self._plain.no_truncation()
        self._plain.no_padding()
        known = sorted(map(re.escape, self.added), key=len, reverse=True)
        self._specials = re.compile(f"({'|'.join(known)})" if known else "(?!)")

    @property
    def bos(self) -> int | None:
        """The id of the token in front of every text, if the tokenizer names one."""
        name = self._chat.bos_token
        return None if name is None else self.id(name)

    def id(self, name: str) -> int:
        """The id of a token by its own name.

        Raises
        ------
        ValueError
            If there is no such token.
        """
        found = self.added.get(name, self._plain.token_to_id(name))
        if found is None:
            raise ValueError(
                f"the tokenizer of {str(self.folder)!r} has no token {name!r}"
            )
        return int(found)

    def name(self, id: int) -> str:
        """A token's own name, as vLLM wants it."""
        return str(self._plain.id_to_token(id))

    def encode(self, text: str, *, inside: bool = False) -> list[int]:
        """Ids of a text in which nothing is special.

        With `inside` the text goes on after other tokens: the blank that sentencepiece
        puts before every text is left out, if the text begins with a line break.

        Raises
        ------
        ValueError
            If the tokenizer cannot write the text.
        """
        if not text:
            return []
        try:
            found = self._plain.encode(text, add_special_tokens=False)
        except Exception as error:  # the library raises Exception itself
            raise ValueError(
                f"{text!r} cannot be written in the tokens of {str(self.folder)!r}: "
                f"{error}"
            ) from error
        ids: list[int] = found.ids
        if inside and text[0] == "\n" and found.tokens[0] == "▁":
            return ids[1:]
        return ids

    def one(self, text: str) -> int:
        """The one token that ends a text, as `tokenizer.encode(text)[-1]` is.

        Raises
        ------
        ValueError
            If the text takes more than one token: then it is no marker here.
        """
        ids = self.encode(text)
        if len(ids) != 1:
            raise ValueError(
                f"{text!r} takes {len(ids)} tokens in the tokenizer of "
                f"{str(self.folder)!r}; a marker of this family is one token"
            )
        return ids[0]

    def fill(self, messages: Sequence[tuple[str, str]]) -> list[str]:
        """A chat template around messages whose content may be `place(i)`.

        Returns the text in front of the first place, between each two, and behind the
        last; the places stand in order.

        Raises
        ------
        ValueError
            Without a chat template, or if it drops or moves messages.
        """
        if not self._chat.chat_template:
            raise ValueError(
                f"{str(self.folder)!r} has no chat template, and this family's "
                "solutions are chats; use the tokenizer files that the model came with"
            )
        text = self._chat.apply_chat_template(
            [{"role": role, "content": content} for role, content in messages],
            tokenize=False,
        )
        found = _PLACES.split(text)
        wanted = [content for _, content in messages if _PLACES.fullmatch(content)]
        if found[1::2] != wanted:
            raise ValueError(
                f"the chat template of {str(self.folder)!r} drops or moves messages: "
                f"{len(wanted)} went in and {len(found) // 2} came out"
            )
        return found[::2]

    def split(self, text: str) -> list[str | int]:
        """The parts of a template's own text: ids of special tokens, and plain text."""
        return [
            self.added[part] if i % 2 else part
            for i, part in enumerate(self._specials.split(text))
            if part
        ]


def place(i: int) -> str:
    """What stands for message `i` in `Tokens.fill`, 0 to 6399.

    >>> place(0) != place(1)
    True
    """
    if not 0 <= i < 6400:
        raise ValueError(f"a chat of {i + 1} messages; accepted are at most 6400")
    return chr(0xE000 + i)


class Writer:
    """Collects a reading: pieces of text that belong together are encoded together."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._ids: list[int] = []
        self._at: list[int] = []
        self._text = ""

    def text(self, text: str) -> None:
        """Text in which nothing is special."""
        self._text += text

    def template(self, text: str) -> None:
        """Text of a chat template, in which special tokens are what they say."""
        for part in self._tokens.split(text):
            if isinstance(part, int):
                self.ids([part])
            else:
                self.text(part)

    def ids(self, ids: Sequence[int]) -> None:
        """Token ids."""
        self._flush()
        self._ids.extend(ids)

    def mark(self, ids: Sequence[int] = (), *, before: bool = False) -> None:
        """The end of a step: its marker, read at its last token or just before it."""
        self.ids(ids)
        self._at.append(len(self._ids) - 1 - before)

    def reading(self) -> Reading:
        """What was collected."""
        self._flush()
        return Reading(tuple(self._ids), tuple(self._at))

    def _flush(self) -> None:
        if self._text:
            inside = bool(self._ids)
            self._ids.extend(self._tokens.encode(self._text, inside=inside))
            self._text = ""
