"""Test-time training of any Hugging Face causal language model, on tasks in words.

The LoRA layers are peft's. They are in the model as long as a `with` block lasts and
are taken out again however it ends. Promises: the model's weights are never written to;
afterwards its modules, flags and weights are bit for bit what they were; the same seed
gives the same adapter on the same device; cancelling ends training after a step. The
cost is 6 N FLOPs for every token read in training, 2 N for every token read or written
in answering (Snell et al. 2408.03314, sec. 7), N without the adapter.
Not covered: several GPUs, encoder-decoder models, chat templates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Flag
from threading import Lock
from typing import Any

try:
    from tts_lab.proposers import torch_models
    from tts_lab.ttt.adapt import Step
    from tts_lab.ttt.text_answers import greedy
    from tts_lab.ttt.text_training import Piece, TextRecipe, Training, layers, train
except ImportError as error:
    raise ImportError(
        f"adapting Hugging Face models needs torch, transformers and peft ({error}): "
        'pip install "tts-lab[peft]"'
    ) from error

from tts_lab import formats
from tts_lab.ledger import Ledger
from tts_lab.proposers import Size, checkpoints
from tts_lab.proposers.texts import Texts
from tts_lab.ttt.text_tasks import (
    Augmentations,
    TaskFormat,
    TextExample,
    TextPair,
    TextView,
    text_examples,
    text_views,
)
from tts_lab.ttt.vote import two_stage


@dataclass(frozen=True)
class TextPrediction:
    """What was answered from each side, and what the votes made of it.

    Attributes
    ----------
    answers : tuple of str
        The two that count, best first; fewer when fewer were found.
    seen : tuple of (TextView, str or None)
        Each view's answer, turned back; None where there is none.
    ledger : Ledger
        Of the answering.
    """

    answers: tuple[str, ...]
    seen: tuple[tuple[TextView, str | None], ...]
    ledger: Ledger

    @property
    def prompt_tokens(self) -> int:
        return self.ledger.prompt_tokens

    @property
    def generated_tokens(self) -> int:
        return self.ledger.generated_tokens


class HuggingFace:
    """A causal language model to adapt to a task and to ask.

    Parameters
    ----------
    model : transformers.PreTrainedModel
    tokenizer : a fast Hugging Face tokenizer
    format : TaskFormat, optional
        How tasks are written.

    Attributes
    ----------
    size : Size
        Of the model without adapter, shared parameters counted once; for ledgers.

    Raises
    ------
    ValueError
        For a tokenizer that cannot say which characters its tokens are, a model that
        carries an adapter already, or one whose cache is more than keys and values.
    """

    def __init__(
        self, model: Any, tokenizer: Any, *, format: TaskFormat | None = None
    ) -> None:
        name = getattr(model, "name_or_path", "") or type(model).__name__
        if not getattr(tokenizer, "is_fast", False):
            raise ValueError(
                f"{type(tokenizer).__name__} of {name!r} does not tell where its "
                "tokens stand in a text; accepted are fast tokenizers (tokenizer.json)"
            )
        if hasattr(model, "peft_config"):
            raise ValueError(
                f"{name!r} carries an adapter already; accepted are models without: "
                "merge_and_unload() it first"
            )
        self._loaded = torch_models.described(model, tokenizer, name)
        self._texts = Texts(tokenizer, formats.FORMATS["plain"])
        self._busy = Lock()
        self.name = name
        self.model, self.tokenizer = model, tokenizer
        self.format = format or TaskFormat()
        config = model.config.get_text_config()
        self.size = Size(
            sum(weight.numel() for weight in model.parameters()),
            config.num_hidden_layers,
            config.hidden_size,
        )

    @contextmanager
    def adapted(
        self,
        demonstrations: Sequence[TextPair],
        recipe: TextRecipe | None = None,
        *,
        size: int = 64,
        augmentations: Augmentations | None = None,
        leave_out: bool = True,
        demonstration_loss: bool = True,
        seed: int = 0,
        cancel: Flag | None = None,
        on_step: Callable[[Step], object] = lambda step: None,
    ) -> Iterator[Training]:
        """The model with an adapter trained on demonstrations, until the block ends.

        Parameters
        ----------
        demonstrations : sequence of (input, output)
        recipe : TextRecipe, optional
        size, augmentations, leave_out, demonstration_loss
            As in `text_tasks.text_examples`.
        seed : int
            Of the examples, their order, and the adapter's start.
        cancel : threading.Event, optional
            When it is set, training ends after the step that is going on.
        on_step : callable
            Gets a `Step` after each; what it raises ends the training.

        Raises
        ------
        ValueError
            For demonstrations no examples can be made of, an example beyond the
            model's context, or targets that the model does not have.
        RuntimeError
            Inside another such block of the same model.
        """
        recipe = recipe or TextRecipe()
        chosen = text_examples(
            demonstrations, size=size, format=self.format, augmentations=augmentations,
            leave_out=leave_out, demonstration_loss=demonstration_loss, seed=seed,
        )  # fmt: skip
        pieces = [self._piece(example) for example in chosen]
        if not self._busy.acquire(blocking=False):
            raise RuntimeError(
                f"{self.name!r} is adapted already; it takes one adapter at a time"
            )
        try:
            with layers(self.model, recipe, seed=seed) as weights:
                yield train(
                    self.model, weights, pieces, recipe, seed=seed, cancel=cancel,
                    on_step=on_step,
                )  # fmt: skip
        finally:
            self._busy.release()

    def predict(
        self,
        demonstrations: Sequence[TextPair],
        question: str,
        *,
        augmentations: Augmentations | None = None,
        permutations: int = 2,
        seed: int = 0,
        max_tokens: int = 64,
        cancel: Flag | None = None,
    ) -> TextPrediction:
        """Answer greedily from each side, turn back, vote in two stages.

        With the adapter inside a block of `adapted`, without it elsewhere. Answers that
        neither the end of the text nor the format's `stop` ended do not vote.

        Parameters
        ----------
        demonstrations : sequence of (input, output)
        question : str
        augmentations, permutations, seed
            As in `text_tasks.text_views`; with none and 0 nothing is left to vote on.
        max_tokens : int
            Of an answer.
        cancel : threading.Event, optional
            When it is set, sides without an answer stay without.

        Raises
        ------
        ValueError
            For a prompt that leaves no room in the model's context or has characters
            that the tokenizer lacks, or a `max_tokens` below 1.
        """
        sides = text_views(
            len(demonstrations), augmentations, permutations=permutations, seed=seed
        )
        prompts = [
            self.format.prompt(view.pairs(demonstrations), view.forward(question))
            for view in sides
        ]
        texts, ledger = greedy(
            self._loaded, self._texts, prompts, stop=self.format.stop,
            max_tokens=max_tokens, cancel=cancel,
        )  # fmt: skip
        found = [None if text is None else self.format.read(text) for text in texts]
        seen = tuple(
            (view, None if answer is None else view.back(answer))
            for view, answer in zip(sides, found, strict=True)
        )
        answers = two_stage([(view.name, answer) for view, answer in seen])
        return TextPrediction(tuple(answers), seen, ledger)

    def _piece(self, example: TextExample) -> Piece:
        """Token ids, and whether the loss is taken of each."""
        self._texts.encode(example.text)  # an error for characters without a token
        found = self.tokenizer(
            example.text, add_special_tokens=False, return_offsets_mapping=True,
            verbose=False,
        )  # fmt: skip
        front = list(self._texts.encode(""))
        taught = [
            any(begin < last and first < end for first, last in example.spans)
            for begin, end in found.offset_mapping
        ]
        ids = [*front, *found.input_ids, self.tokenizer.eos_token_id]
        if len(ids) > self._loaded.context:
            raise ValueError(
                f"an example of {len(ids)} tokens ({example.text[:60]!r}...): "
                f"{self.name} reads 1 to {self._loaded.context}"
            )
        return ids, [False] * len(front) + taught + [True]


def load(
    model: str | Path,
    *,
    format: TaskFormat | None = None,
    device: str | None = None,
    dtype: str = "auto",
    revision: str | None = None,
) -> HuggingFace:
    """A rung, the path of a Hugging Face folder, or a model of the hub, to adapt.

    Parameters
    ----------
    model, device, dtype, revision
        As in `tts_lab.proposers.transformers.Transformers`.
    format : TaskFormat, optional

    Raises
    ------
    ValueError
        If there is no such model or device, or the model cannot be used here.
    RuntimeError
        If it does not fit into the device's memory.
    """
    folder = checkpoints.locate(model, revision=revision)
    loaded = torch_models.load(
        folder, device=torch_models.choose_device(device), dtype=dtype
    )
    return HuggingFace(loaded.model, loaded.tokenizer, format=format)
