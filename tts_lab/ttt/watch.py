"""One adaptation as a generator of frames, for whoever wants to look on; torch.

Promises: what is trained and answered is what `Base.adapt` and `predict` make of the
same plan, watched or not; a cancelled one ends within a step, with the frames so far;
the base is only read. The answers asked for in between are not in the cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from threading import Event as Flag
from time import perf_counter
from typing import TYPE_CHECKING

from tts_lab import ladder
from tts_lab.ladder.model_folder import Model, read
from tts_lab.problems import grids
from tts_lab.ttt.examples import training_set
from tts_lab.ttt.frames import BATCH, Frame, Guess, Plan
from tts_lab.ttt.predict import predict
from tts_lab.ttt.views import IDENTITY

if TYPE_CHECKING:
    from tts_lab.ttt.adapt import Base

PIP = 'pip install "tts-lab[train]"'
POLICY = "grids-812k"


def base(policy: str | Model = POLICY) -> Base:
    """A policy to adapt, by its name or folder, or a model that is loaded already.

    Raises
    ------
    ImportError
        Without torch; the message has the line that installs it.
    ValueError
        For a name that is neither rung nor folder.
    """
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError as error:
        raise ImportError(f"test-time training needs torch: {PIP}") from error
    from tts_lab.ttt.adapt import Base

    return Base(policy if isinstance(policy, Model) else read(ladder.folder(policy)))


def watch(
    base: Base, plan: Plan, *, cancel: Flag | None = None, threads: int | None = None
) -> Iterator[Frame]:
    """Adapt to a task and answer it: a frame for the start, each step, and the end.

    Parameters
    ----------
    base : Base
    plan : Plan
    cancel : threading.Event, optional
        When it is set the frames end after the step that is going on, or without
        the answers that are being written.
    threads : int, optional
        Of the engine that answers.
    """
    from tts_lab.ttt.adapt import Recipe, merged

    problem = plan.problem()
    demonstrations, _ = grids.parse(problem.prompt)
    recipe = Recipe(
        rank=plan.rank, alpha=2.0 * plan.rank, learning_rate=plan.learning_rate,
        epochs=plan.epochs, batch=BATCH,
    )  # fmt: skip
    examples = training_set(
        demonstrations, size=plan.size, leave_out=plan.leave_out,
        transformations=plan.transformations,
        demonstration_loss=plan.demonstration_loss, seed=plan.number,
    )  # fmt: skip

    def cancelled() -> bool:
        return cancel is not None and cancel.is_set()

    def guess(step: int, model: Model) -> tuple[Guess, ...]:
        found = predict(model, problem, [IDENTITY], threads=threads, cancel=cancel)
        if cancelled():  # it may be no whole row
            return frame.guesses
        return (*frame.guesses, Guess(step, found.seen[0][1]))

    frame = Frame(plan, base.model.name, base.model.parameters)
    yield frame
    if not cancelled():
        frame = replace(frame, guesses=guess(0, base.model))
        yield frame
    adapter = base.adapter(recipe, seed=plan.number)
    training = base.steps(
        examples, recipe, seed=plan.number, cancel=cancel, start=adapter
    )
    while True:
        began = perf_counter()
        try:
            step = next(training)
        except StopIteration as end:
            adapted = end.value
            break
        frame = replace(
            frame,
            losses=(*frame.losses, step.loss),
            read=(*frame.read, step.tokens),
            training_seconds=frame.training_seconds + perf_counter() - began,
        )
        asked = step.number % plan.every == 0 or step.number == step.of
        if asked and not cancelled():
            now = merged(base.model, adapter)
            frame = replace(frame, guesses=guess(step.number, now))
        yield frame
    if not adapted.complete or cancelled():
        return
    began = perf_counter()
    found = predict(
        adapted.model, problem, plan.sides(), threads=threads, cancel=cancel
    )
    if cancelled():
        return
    yield replace(
        frame,
        answers=tuple(row for _, row in found.seen),
        prompt_tokens=found.prompt_tokens,
        generated_tokens=found.generated_tokens,
        answering_seconds=perf_counter() - began,
    )
