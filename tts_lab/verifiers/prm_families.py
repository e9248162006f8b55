"""How each family of public reward models reads a solution, and what it is trained on.

One entry a family: which step delimiters it was trained on, how a question and its
steps become tokens, what kind of head scores them and how its authors make one score
of a solution's steps. The rules are those of the repositories named in each rendering;
where two differ, its docstring says which is followed.

Every published rule strips blanks around questions and steps, or is used with texts
that have none; here they are stripped.

Not covered: running the model (`tts_lab.verifiers.prm_backends`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tts_lab.select import Aggregation
from tts_lab.verifiers.prm_tokens import Reading, Tokens, Writer, place

Head = Literal["tokens", "value", "classes", "labels"]


@dataclass(frozen=True, slots=True)
class Solution:
    """A question and steps of its solution.

    `closed` says that the last step has its delimiter, `finished` that the solution
    ends there; only the ladder's own models read either.
    """

    question: str
    steps: Sequence[str]
    closed: bool = True
    finished: bool = False


@dataclass(frozen=True, slots=True)
class Family:
    """One family of reward models.

    Attributes
    ----------
    name : str
    accepts : tuple of str
        Step delimiters it was trained on.
    aggregation : str
        How its authors make one score of a solution's steps.
    head : str
        "tokens": two logits of a language model; "value": `v_head.summary`; "classes":
        `score.0` and `score.2` with a ReLU between; "labels": `score`.
    render : callable
        Tokens and a solution in, a reading out.
    candidates : callable, optional
        The ids of the bad and the good token of a "tokens" head.
    marker : str, optional
        The special token at which scores are read, if there is one and no text can
        have it.
    """

    name: str
    accepts: tuple[str, ...]
    aggregation: Aggregation
    head: Head
    render: Callable[[Tokens, Solution], Reading]
    candidates: Callable[[Tokens], tuple[int, int]] | None = None
    marker: str | None = None


def _math_shepherd(tokens: Tokens, solution: Solution) -> Reading:
    """`question step ки`, a line break, `step ки`, ...; read at each marker.

    After the model card of peiyi9979/math-shepherd-mistral-7b-prm and RyanLiu112/
    compute-optimal-tts, src/reason/inference/{rm_call,infer_fns}.py, which put one
    line break between steps whatever the policy's delimiter was; huggingface/
    search-and-learn, src/sal/models/reward_models.py, keeps two.
    """
    out, marker = Writer(tokens), tokens.one("ки")
    if tokens.bos is not None:
        out.ids([tokens.bos])
    for i, step in enumerate(solution.steps):
        out.text(f"\n{step.strip()}" if i else f"{solution.question.strip()} ")
        out.text("" if i else step.strip())
        out.mark([marker])
    return out.reading()


def _math_shepherd_candidates(tokens: Tokens) -> tuple[int, int]:
    return tokens.one("-"), tokens.one("+")


def _rlhflow(tokens: Tokens, solution: Solution) -> Reading:
    """Turns: the user says a step (the first with the question), the assistant `+`.

    After RLHFlow/RLHF-Reward-Modeling, math-rm/prm_evaluate.py; read where the `+` of
    each turn is predicted. search-and-learn's batched way and compute-optimal-tts's
    read the same positions.
    """
    plus = _rlhflow_candidates(tokens)[1]
    turns = []
    for i in range(len(solution.steps)):
        turns += [("user", place(2 * i)), ("assistant", place(2 * i + 1))]
    out, parts = Writer(tokens), tokens.fill(turns)
    for i, step in enumerate(solution.steps):
        out.template(parts[2 * i])
        text = step.strip()
        out.text(text if i else f"{solution.question.strip()} {text}")
        out.template(parts[2 * i + 1])
        out.mark([plus], before=True)
    out.template(parts[-1])
    return out.reading()


def _rlhflow_candidates(tokens: Tokens) -> tuple[int, int]:
    return tokens.one("-"), tokens.one("+")


def _skywork(tokens: Tokens, solution: Solution) -> Reading:
    """The question and every step on a line of its own; read at the line breaks.

    After SkyworkAI/skywork-o1-prm-inference, model_utils/io_utils.py: steps are encoded
    one by one and end with the token of a line break. A step of several lines is
    written in one, as RyanLiu112/compute-optimal-tts does in
    src/reason/inference/rm_call.py: else each line break would look like a step's end.
    """
    out, end = Writer(tokens), tokens.one("\n")
    if tokens.bos is not None:
        out.ids([tokens.bos])
    out.text(solution.question.strip() + "\n")
    for step in solution.steps:
        out.ids(())  # steps are encoded apart from what stands before them
        out.text(step.replace("\n", " ").strip())
        out.mark([end])
    return out.reading()


_QWEN_SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."


def _qwen(tokens: Tokens, solution: Solution) -> Reading:
    """A chat whose answer has `<extra_0>` after every step; read there.

    After the model card of Qwen/Qwen2.5-Math-PRM-7B; the same in search-and-learn and
    compute-optimal-tts.
    """
    marker = tokens.id("<extra_0>")
    messages = [("system", _QWEN_SYSTEM), ("user", place(0)), ("assistant", place(1))]
    before, between, behind = tokens.fill(messages)
    out = Writer(tokens)
    out.template(before)
    out.text(solution.question.strip())
    out.template(between)
    for step in solution.steps:
        out.text(step.strip())
        out.mark([marker])
    out.template(behind)
    return out.reading()


def _trl(tokens: Tokens, solution: Solution) -> Reading:
    """The question, then each step and a line break, encoded apart; read at the break.

    After huggingface/trl, trl/trainer/prm_trainer.py, `tokenize_row` with its default
    step separator.
    """
    out, separator = Writer(tokens), tokens.encode("\n")
    if tokens.bos is not None:
        out.ids([tokens.bos])
    out.ids(tokens.encode(solution.question.strip()))
    for step in solution.steps:
        out.ids(tokens.encode(step.strip()))
        out.mark(separator)
    return out.reading()


def _ladder(tokens: Tokens, solution: Solution) -> Reading:
    """Prompt and lines as they are; read at line breaks and at the end of the text.

    The same as `tts_lab.prm.spans`.
    """
    out, newline = Writer(tokens), tokens.id("\n")
    out.ids([tokens.id("<bos>")])
    out.text(solution.question)
    last = len(solution.steps) - 1
    for i, step in enumerate(solution.steps):
        out.text(step)
        if i < last or solution.closed:
            out.mark([newline])
        else:
            out.mark([tokens.id("<eos>")] if solution.finished else ())
    if solution.finished and solution.closed:
        out.ids([tokens.id("<eos>")])
    return out.reading()


#: the table
FAMILIES: dict[str, Family] = {
    one.name: one
    for one in (
        # Wang et al. 2312.08935, section 3.4: the minimum
        Family("math-shepherd", ("\n", "\n\n"), "min", "tokens", _math_shepherd,
               _math_shepherd_candidates),
        # math-rm/README.md: the mean. The Mistral data have a step a line; both
        # repositories above also use its model with blank lines.
        Family("rlhflow-mistral", ("\n\n", "\n"), "mean", "tokens", _rlhflow,
               _rlhflow_candidates),
        Family("rlhflow-deepseek", ("\n\n",), "mean", "tokens", _rlhflow,
               _rlhflow_candidates),
        Family("skywork", ("\n", "\n\n"), "last", "value", _skywork),
        # Zhang et al. 2501.07301, section 2: the product
        Family("qwen2.5-math-prm", ("\n\n",), "prod", "classes", _qwen,
               marker="<extra_0>"),
        Family("token-classification", ("\n", "\n\n"), "last", "labels", _trl),
        Family("ladder", ("\n",), "last", "labels", _ladder),
    )
}  # fmt: skip

#: part of a model's name, lower case -> its family, where the architecture says nothing
_NAMES: tuple[tuple[str, str], ...] = (
    ("math-shepherd", "math-shepherd"),
    ("prm-mistral-data", "rlhflow-mistral"),
    ("prm-deepseek-data", "rlhflow-deepseek"),
)


def family(name: str) -> Family:
    """A family by name, or a ValueError that lists them.

    >>> family("math-shepherd").accepts
    ('\\n', '\\n\\n')
    """
    if name not in FAMILIES:
        raise ValueError(f"family {name!r} is unknown; there are {list(FAMILIES)}")
    return FAMILIES[name]


def recognise(config: Mapping[str, Any], tensors: Collection[str], name: str) -> Family:
    """The family of a checkpoint.

    Parameters
    ----------
    config : mapping
        What `config.json` says.
    tensors : collection of str
        Names of its weights; empty where they are not at hand.
    name : str
        The model's name or path.

    Raises
    ------
    ValueError
        If nothing tells; the message lists the families.

    Examples
    --------
    >>> found = recognise({"architectures": ["Qwen2ForProcessRewardModel"]}, (), "prm")
    >>> found.name
    'qwen2.5-math-prm'
    """
    architecture = str((config.get("architectures") or ["unknown"])[0])
    if architecture == "Qwen2ForProcessRewardModel":
        return FAMILIES["qwen2.5-math-prm"]
    if "v_head.summary.weight" in tensors or architecture == "Qwen2ForPrmModel":
        return FAMILIES["skywork"]
    if architecture.endswith("ForTokenClassification"):
        # what `tts_lab.prm.train.export` writes
        own = config.get("id2label") == {"0": "right"}
        return FAMILIES["ladder" if own else "token-classification"]
    names = f"{name} {config.get('_name_or_path', '')}".lower()
    if architecture.endswith("ForCausalLM"):
        for part, found in _NAMES:
            if part in names:
                return FAMILIES[found]
    raise ValueError(
        f"{name!r} (a {architecture}) does not say which family of reward models it "
        f"is; pass family=, one of {list(FAMILIES)}"
    )
