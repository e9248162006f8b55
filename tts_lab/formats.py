"""How each family of models is asked: prompt, step delimiter, answer format.

A `Format` turns a problem into what a model reads, and says what ends one of its steps
and how it states an answer. Chat formats go through the model's own chat template.
Not covered: reading the answer (`tts_lab.problems.text`) and scoring steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Answer = Literal["line", "boxed", "####"]


@dataclass(frozen=True, slots=True)
class Format:
    """One family's way of being asked.

    Attributes
    ----------
    name : str
    chat : bool
        Whether the model's chat template is put around the messages.
    delimiter : str
        What ends a step; give it to the problems (`Problem.delimiter`).
    answer : str
        Where the answer stands: "line" (a line of its own, the ladder's `#85`),
        "boxed" (the last LaTeX box) or "####" (what follows the last four hashes).
    system : str
        The system message of a chat; empty for none.
    user : str
        The problem in its message, or the whole prompt of a model that does not chat.
    """

    name: str
    chat: bool
    delimiter: str
    answer: Answer
    system: str = ""
    user: str = "{problem}"

    def messages(self, prompt: str) -> list[dict[str, str]]:
        """The messages of a chat about one problem.

        >>> FORMATS["qwen2.5-math"].messages("What is 1+1?")[1]
        {'role': 'user', 'content': 'What is 1+1?'}
        """
        user = {"role": "user", "content": self.user.replace("{problem}", prompt)}
        if not self.system:
            return [user]
        return [{"role": "system", "content": self.system}, user]

    def render(self, prompt: str, text: str = "", tokenizer: Any = None) -> str:
        """What the model reads: the prompt in its format, and the trace so far.

        Parameters
        ----------
        prompt, text : str
        tokenizer : a Hugging Face tokenizer
            For its chat template; needed by chat formats only.

        Raises
        ------
        ValueError
            If a chat format meets a tokenizer without chat template.

        >>> FORMATS["gsm8k"].render("What is 1+1?", "1+1=2\\n")
        'Question: What is 1+1?\\nAnswer: 1+1=2\\n'
        """
        if not self.chat:
            return self.user.replace("{problem}", prompt) + text
        if not getattr(tokenizer, "chat_template", None):
            name = getattr(tokenizer, "name_or_path", "") or "this model"
            raise ValueError(
                f"format {self.name!r} needs a chat template and {name!r} has none; "
                f"accepted for such a model: {names(chat=False)}"
            )
        asked: str = tokenizer.apply_chat_template(
            self.messages(prompt), tokenize=False, add_generation_prompt=True
        )
        return asked + text


# The words after "efficiently and clearly" are the published prompt of Beeching,
# Tunstall and Rush (2024); the second is the model cards' of Qwen2.5-Math.
_STEPS = """Solve the following math problem efficiently and clearly:

- For simple problems (2 steps or fewer):
Provide a concise solution with minimal explanation.

- For complex problems (3 steps or more):
Use this step-by-step format:

## Step 1: [Concise description]
[Brief explanation and calculations]

## Step 2: [Concise description]
[Brief explanation and calculations]

...

Regardless of the approach, always conclude with:

Therefore, the final answer is: $\\boxed{answer}$. I hope it is correct.

Where [answer] is just the final number or expression that solves the problem."""
_BOXED = "Please reason step by step, and put your final answer within \\boxed{}."

#: the table: plain for base models and the ladder, then families of chat models
FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        Format("plain", False, "\n", "line"),
        Format(
            "gsm8k", False, "\n", "####", user="Question: {problem}\nAnswer: "
        ),
        Format("chat", True, "\n\n", "boxed", user="{problem}\n\n" + _BOXED),
        Format("llama-3", True, "\n\n", "boxed", system=_STEPS),
        Format("qwen2.5-math", True, "\n\n", "boxed", system=_BOXED),
        Format("deepseek-r1", True, "\n\n", "boxed", user="{problem}\n" + _BOXED),
    )
}  # fmt: skip


def names(*, chat: bool | None = None) -> list[str]:
    """The formats of the table, or only those that chat, or do not.

    >>> names(chat=False)
    ['plain', 'gsm8k']
    """
    return [f.name for f in FORMATS.values() if chat is None or f.chat == chat]


#: part of a model's name, lower case -> its format
_FAMILIES: Sequence[tuple[str, str]] = (
    ("deepseek-r1", "deepseek-r1"),
    ("qwen2.5-math", "qwen2.5-math"),
    ("llama-3", "llama-3"),
)


def choose(format: Format | str | None, model: str, *, has_template: bool) -> Format:
    """The format asked for; by default the one of the model's family.

    Parameters
    ----------
    format : Format, str or None
        None: the family's by the model's name; else "chat" if the model has a chat
        template and "plain" if it has none.
    model : str
        Its name or path.
    has_template : bool

    Raises
    ------
    ValueError
        For an unknown name, or a chat format for a model without chat template.

    Examples
    --------
    >>> choose(None, "Qwen/Qwen2.5-Math-1.5B-Instruct", has_template=True).name
    'qwen2.5-math'
    >>> choose(None, "ladder/105k", has_template=False).name
    'plain'
    """
    if isinstance(format, str):
        if format not in FORMATS:
            raise ValueError(f"format {format!r} is unknown; there are {names()}")
        format = FORMATS[format]
    if format is None:
        if not has_template:
            return FORMATS["plain"]
        family = [name for part, name in _FAMILIES if part in model.lower()]
        return FORMATS[family[0] if family else "chat"]
    if format.chat and not has_template:
        raise ValueError(
            f"format {format.name!r} needs a chat template and {model!r} has none; "
            f"accepted for such a model: {names(chat=False)}"
        )
    return format
