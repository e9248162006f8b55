"""Tasks in words: how they are written, left one out, and seen from several sides.

What `examples` and `views` do for rows of cells, for pairs of any texts: leave-one-out
tasks in a format that the user chooses, transformations that the user gives. No torch
here; `tts_lab.ttt.hugging_face` trains and answers. Not covered: chat templates; a chat
model's own markers can be written into the format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from random import Random

from tts_lab.ttt.vote import IDENTITY

TextPair = tuple[str, str]
Turn = Callable[[str], str]
#: name -> (forward, backward): texts turned, and answers turned back
Augmentations = Mapping[str, tuple[Turn, Turn]]
Span = tuple[int, int]

_INPUT, _OUTPUT = "{input}", "{output}"


@dataclass(frozen=True)
class TaskFormat:
    """How a task is written.

    Attributes
    ----------
    shown : str
        A demonstration, with `{input}` and `{output}` in it.
    asked : str
        The input to answer. Tokenizers join a space with the word behind it, so it
        should not end with one: begin `answered` with it instead.
    answered : str
        The answer to it.
    stop : str
        What ends an answer besides the end of the text; empty for nothing. Models that
        were not trained yet go on with another demonstration.

    Raises
    ------
    ValueError
        When a part does not name what it has to, once.

    Examples
    --------
    >>> TaskFormat().prompt([("3", "4")], "8")
    'Input: 3\\nOutput: 4\\n\\nInput: 8\\nOutput:'
    >>> TaskFormat(asked="Input:")
    Traceback (most recent call last):
        ...
    ValueError: asked='Input:' must have '{input}' in it once
    """

    shown: str = "Input: {input}\nOutput: {output}\n\n"
    asked: str = "Input: {input}\nOutput:"
    answered: str = " {output}"
    stop: str = "\n\n"

    def __post_init__(self) -> None:
        needed = {
            "shown": (_INPUT, _OUTPUT),
            "asked": (_INPUT,),
            "answered": (_OUTPUT,),
        }
        for name, places in needed.items():
            for place in places:
                if getattr(self, name).count(place) != 1:
                    raise ValueError(
                        f"{name}={getattr(self, name)!r} must have {place!r} in it once"
                    )

    def prompt(self, demonstrations: Sequence[TextPair], question: str) -> str:
        """What the model reads before it answers."""
        shown = "".join(self._shown(*pair)[0] for pair in demonstrations)
        return shown + self.asked.replace(_INPUT, question)

    def completion(self, output: str) -> str:
        """What the model should write.

        >>> TaskFormat().completion("9")
        ' 9'
        """
        return self.answered.replace(_OUTPUT, output)

    def read(self, text: str) -> str | None:
        """The answer that a completion states; None when there is none.

        >>> TaskFormat().read(" 9\\n\\nInput: 10"), TaskFormat().read(" \\n\\n")
        ('9', None)
        """
        if self.stop:
            text = text.partition(self.stop)[0]
        before, after = self.answered.split(_OUTPUT)
        if not (text.startswith(before) and text.endswith(after)):
            return None
        answer = text[len(before) : len(text) - len(after)]
        return answer if answer.strip() else None

    def _shown(self, question: str, output: str) -> tuple[str, Span]:
        """A demonstration, and where its output stands in it."""
        at = self.shown.index(_OUTPUT)
        before, after = self.shown[:at], self.shown[at + len(_OUTPUT) :]
        before = before.replace(_INPUT, question)
        text = before + output + after.replace(_INPUT, question)
        return text, (len(before), len(before) + len(output))


@dataclass(frozen=True)
class TextExample:
    """A training example.

    Attributes
    ----------
    text : str
        Prompt and completion; the end-of-text token is to follow.
    spans : tuple of (int, int)
        The characters that the loss is taken of; that of the end token is too.
    """

    text: str
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class TextView:
    """One side: texts turned by a transformation, demonstrations in an order.

    Attributes
    ----------
    name : str
        The transformation that votes count together.
    forward, backward : callable
    order : tuple of int
        The demonstrations' new order; empty leaves it.
    """

    name: str = IDENTITY
    forward: Turn = str
    backward: Turn = str
    order: tuple[int, ...] = ()

    def pairs(self, demonstrations: Sequence[TextPair]) -> list[TextPair]:
        """The demonstrations seen from here."""
        order = self.order or range(len(demonstrations))
        turn = self.forward
        return [(turn(demonstrations[i][0]), turn(demonstrations[i][1])) for i in order]

    def back(self, answer: str) -> str | None:
        """An answer turned back; None for what `backward` refuses with a ValueError."""
        try:
            return self.backward(answer)
        except ValueError:
            return None


def text_views(
    demonstrations: int,
    augmentations: Augmentations | None = None,
    *,
    permutations: int = 2,
    seed: int = 0,
) -> list[TextView]:
    """The sides to look from: the identity and each transformation, plain and permuted.

    Parameters
    ----------
    demonstrations : int
        How many the task has.
    augmentations : mapping of str to (callable, callable), optional
    permutations : int
        Orders of the demonstrations, for each transformation.
    seed : int

    Raises
    ------
    ValueError
        For a transformation named "identity".

    Examples
    --------
    >>> mirror = {"mirror": (lambda text: text[::-1], lambda text: text[::-1])}
    >>> [view.name for view in text_views(3, mirror, permutations=1)]
    ['identity', 'identity', 'mirror', 'mirror']
    """
    rng = Random(seed)
    found = []
    for side in _sides(augmentations):
        found.append(side)
        found += [_permuted(side, demonstrations, rng) for _ in range(permutations)]
    return found


def text_examples(
    demonstrations: Sequence[TextPair],
    *,
    size: int,
    format: TaskFormat | None = None,
    augmentations: Augmentations | None = None,
    leave_out: bool = True,
    demonstration_loss: bool = True,
    seed: int = 0,
) -> list[TextExample]:
    """Training examples of one task: its demonstrations, each left out in turn.

    Parameters
    ----------
    demonstrations : sequence of (input, output)
    size : int
        Examples; the tasks take turns, first as they stand, then from random sides.
    format : TaskFormat, optional
    augmentations : mapping of str to (callable, callable), optional
    leave_out : bool
        False trains on inputs and outputs without demonstrations.
    demonstration_loss : bool
        False takes the loss of the last output only; else it is taken from the second
        on (Akyurek et al. 2411.07279, sec. 3).
    seed : int

    Raises
    ------
    ValueError
        For too few demonstrations, a transformation that does not turn their texts
        back, or an output in which the format's `stop` stands.

    Examples
    --------
    >>> pairs = [("a", "1"), ("b", "2"), ("c", "3")]
    >>> one = text_examples(pairs, size=3, format=TaskFormat("{input}{output};",
    ...                     "{input}", "{output}", ";"))[0]
    >>> one.text, one.spans
    ('b2;c3;a1', ((4, 5), (7, 8)))
    """
    format = format or TaskFormat()
    pairs = list(demonstrations)
    if len(pairs) < 1 + leave_out:
        raise ValueError(
            f"{len(pairs)} demonstrations; accepted are {1 + leave_out} or more"
        )
    if size < 1:
        raise ValueError(f"size is {size!r}; accepted is 1 or more")
    sides = _sides(augmentations)
    _check(pairs, sides, format)
    rng = Random(seed)
    found = []
    for turn in range(size):
        number = turn % len(pairs)
        others = pairs[:number] + pairs[number + 1 :] if leave_out else []
        side = sides[0]
        if turn >= len(pairs):
            side = _permuted(rng.choice(sides), len(others), rng)
        [asked] = TextView(side.name, side.forward).pairs([pairs[number]])
        found.append(_example(format, side.pairs(others), asked, demonstration_loss))
    return found


def _sides(augmentations: Augmentations | None) -> list[TextView]:
    given = dict(augmentations or {})
    if IDENTITY in given:
        raise ValueError(f"augmentation {IDENTITY!r} is always there; name yours apart")
    return [TextView(), *(TextView(name, *pair) for name, pair in given.items())]


def _permuted(side: TextView, demonstrations: int, rng: Random) -> TextView:
    order = tuple(rng.sample(range(demonstrations), demonstrations))
    values = {field.name: getattr(side, field.name) for field in fields(side)}
    return TextView(**values | {"order": order})


def _check(
    pairs: Sequence[TextPair], sides: Sequence[TextView], format: TaskFormat
) -> None:
    for _, output in pairs:
        if format.stop and format.stop in output:
            raise ValueError(f"output {output!r} has the format's stop {format.stop!r}")
    for side in sides:
        for text in (text for pair in pairs for text in pair):
            if side.back(side.forward(text)) != text:
                raise ValueError(
                    f"augmentation {side.name!r} turns {text!r} into "
                    f"{side.forward(text)!r} and does not turn that back"
                )


def _example(
    format: TaskFormat,
    shown: Sequence[TextPair],
    asked: TextPair,
    demonstration_loss: bool,
) -> TextExample:
    text, spans = "", []
    for number, pair in enumerate(shown):
        piece, (first, last) = format._shown(*pair)
        if number and demonstration_loss:
            spans.append((len(text) + first, len(text) + last))
        text += piece
    prompt = format.prompt(shown, asked[0])
    whole = prompt + format.completion(asked[1])
    return TextExample(whole, (*spans, (len(prompt), len(whole))))
