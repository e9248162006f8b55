"""Between text and token ids, for proposers on Hugging Face tokenizers.

A prompt is put in its format and read without doubled special tokens; what was written
is what the tokens add to the text in front of them, so that spaces and characters of
several bytes survive tokenizers that merge.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tts_lab.formats import Format

#: tokens in front that are decoded with new ones, for the spaces between
BEFORE = 8
_BROKEN = "\N{REPLACEMENT CHARACTER}"


class Texts:
    """A tokenizer and a format.

    Parameters
    ----------
    tokenizer : transformers tokenizer
    format : Format
    """

    def __init__(self, tokenizer: Any, format: Format) -> None:
        self.tokenizer = tokenizer
        self.format = format
        # what stands in front of any text; an end-of-text token behind it does not
        front = list(tokenizer("").input_ids)
        if len(front) > 1 and front[-1] == tokenizer.eos_token_id:
            front.pop()
        self._front = () if format.chat else tuple(front)
        self._may_end: dict[tuple[str, int], bool] = {}

    def encode(self, prompt: str, text: str = "") -> tuple[int, ...]:
        """Token ids of a prompt in its format and what was written after it.

        Raises
        ------
        ValueError
            When the tokenizer has no token for a character, or the format wants a
            chat template that is missing.
        """
        asked = self.format.render(prompt, text, self.tokenizer)
        ids = self._ids(asked)
        if ids is None:
            worst = next((c for c in asked if self._ids(c) is None), asked)
            raise ValueError(
                f"character {worst!r} in {prompt + text!r} is not in the vocabulary of "
                f"{self.tokenizer.name_or_path!r}; accepted are texts that its "
                "tokenizer can read"
            )
        return self._front + tuple(ids)

    def _ids(self, text: str) -> list[int] | None:
        """Token ids, or None when a character has none."""
        try:
            found = self.tokenizer(text, add_special_tokens=False, verbose=False)
        except Exception:  # tokenizers raise a bare Exception for it
            return None
        ids: list[int] = found.input_ids
        unknown = self.tokenizer.unk_token
        if unknown is None or unknown == self.tokenizer.eos_token or unknown in text:
            return ids
        return None if self.tokenizer.unk_token_id in ids else ids

    def decode(self, before: Sequence[int], new: Sequence[int]) -> str:
        """What `new` tokens add to the text of the tokens before them."""
        front = self._text(before[-BEFORE:])
        both = self._text([*before[-BEFORE:], *new])
        return both[len(front) :] if both.startswith(front) else self._text(new)

    def _text(self, ids: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(
            list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text

    def may_end(self, token: int, delimiter: str) -> bool:
        """Whether a text could hold `delimiter` first after this token."""
        end = delimiter[-1]
        if not end.isascii() or end == " ":  # split over tokens, or dropped alone
            return True
        known = self._may_end.get((end, token))
        if known is None:
            known = end in self._text([token])
            self._may_end[end, token] = known
        return known

    def written(
        self, before: Sequence[int], new: Sequence[int], *, delimiter: str | None
    ) -> str:
        """The text of a finished row, cut right after its delimiter if it has one."""
        text = self.decode(before, new)
        if delimiter is not None and delimiter in text:
            return text[: text.index(delimiter) + len(delimiter)]
        return text.rstrip(_BROKEN)  # half of a character, cut by the limit
