"""The published scoring rules of reward models, one solution at a time.

Written from the repositories and model cards as their readers would: whole texts are
rendered, encoded at once by the model's own tokenizer, and step marks are searched for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
import transformers
from safetensors import safe_open


@cache
def _causal(folder: Path):
    return transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32
    ).eval()


@cache
def _tokenizer(folder: Path):
    return transformers.PreTrainedTokenizerFast.from_pretrained(folder)


@cache
def _tensors(folder: Path) -> dict[str, torch.Tensor]:
    found = {}
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="pt") as file:
            found |= {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return found


@torch.no_grad()
def math_shepherd(folder: Path, question: str, steps: list[str]) -> list[float]:
    """Model card of peiyi9979/math-shepherd-mistral-7b-prm."""
    tokenizer = _tokenizer(folder)
    model = _causal(folder)
    candidates = tokenizer.encode("+ -")[1:]
    tag = tokenizer.encode("ки")[-1]
    output = "\n".join(f"{step} ки" for step in steps)
    ids = torch.tensor([tokenizer.encode(f"{question} {output}")])
    scores = model(ids).logits[:, :, candidates].softmax(dim=-1)[:, :, 0]
    return scores[ids == tag].tolist()


@torch.no_grad()
def rlhflow(folder: Path, question: str, steps: list[str]) -> list[float]:
    """RLHFlow/RLHF-Reward-Modeling, math-rm/prm_evaluate.py."""
    tokenizer = _tokenizer(folder)
    model = _causal(folder)
    candidates = [tokenizer.encode("+")[-1], tokenizer.encode("-")[-1]]
    conversation, scores = [], []
    for k, step in enumerate(steps):
        text = step if k else question + " " + step
        conversation.append({"content": text, "role": "user"})
        conversation.append({"content": "+", "role": "assistant"})
        rendered = tokenizer.apply_chat_template(conversation, tokenize=False)
        ids = tokenizer(rendered, add_special_tokens=False, return_tensors="pt")
        logits = model(ids["input_ids"]).logits[:, -3, candidates]
        scores.append(logits.softmax(dim=-1)[0, 0].item())
    return scores


@torch.no_grad()
def skywork(folder: Path, question: str, steps: list[str]) -> list[float]:
    """SkyworkAI/skywork-o1-prm-inference, model_utils/io_utils.py and prm_model.py."""
    tokenizer = _tokenizer(folder)
    config = transformers.Qwen2Config.from_pretrained(folder)
    model = transformers.Qwen2ForCausalLM(config).eval()
    tensors = dict(_tensors(folder))
    weight, bias = (tensors.pop(f"v_head.summary.{n}") for n in ("weight", "bias"))
    model.load_state_dict(tensors)
    ids = tokenizer.encode(tokenizer.bos_token + question + "\n")
    flags = [0] * len(ids)
    newline = tokenizer.encode("\n")[-1]
    for step in steps:
        step_ids = [*tokenizer.encode(step), newline]
        ids += step_ids
        flags += [0] * (len(step_ids) - 1) + [1]
    states = model(torch.tensor([ids]), output_hidden_states=True).hidden_states[-1]
    probabilities = torch.sigmoid(states @ weight.T + bias)[0, :, 0]
    return [p.item() for p, flag in zip(probabilities, flags, strict=True) if flag]


@torch.no_grad()
def qwen(folder: Path, question: str, steps: list[str]) -> list[float]:
    """Model card of Qwen/Qwen2.5-Math-PRM-7B."""
    tokenizer = _tokenizer(folder)
    config = transformers.Qwen2Config.from_pretrained(folder)
    model = transformers.Qwen2Model(config).eval()
    score = torch.nn.Sequential(
        torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 2)
    )
    tensors = _tensors(folder)
    model.load_state_dict(
        {n[6:]: t for n, t in tensors.items() if n.startswith("model.")}
    )
    score.load_state_dict(
        {n[6:]: t for n, t in tensors.items() if n.startswith("score.")}
    )
    messages = [
        {
            "role": "system",
            "content": "Please reason step by step, and put your final answer within "
            "\\boxed{}.",
        },
        {"role": "user", "content": question},
        {"role": "assistant", "content": "<extra_0>".join(steps) + "<extra_0>"},
    ]
    rendered = tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=False
    )
    ids = tokenizer.encode(rendered, return_tensors="pt")
    logits = score(model(ids).last_hidden_state)
    probabilities = torch.softmax(logits, dim=-1)
    mask = (ids == tokenizer.encode("<extra_0>")[0]).unsqueeze(-1)
    kept = (probabilities * mask)[0]
    return kept[kept != 0].view(-1, 2)[:, 1].tolist()


@torch.no_grad()
def trl(folder: Path, question: str, steps: list[str]) -> list[float]:
    """huggingface/trl, trl/trainer/prm_trainer.py: class 1 at each separator's end."""
    tokenizer = _tokenizer(folder)
    model = transformers.Qwen2ForTokenClassification.from_pretrained(folder).eval()
    ids, at = tokenizer.encode(question), []
    for step in steps:
        ids += tokenizer.encode(step) + tokenizer.encode("\n")
        at.append(len(ids) - 1)
    logits = model(torch.tensor([ids])).logits[0, at]
    if logits.shape[1] == 1:  # its loss is then a logistic regression's
        return logits.sigmoid()[:, 0].tolist()
    return logits.softmax(dim=-1)[:, 1].tolist()


RULES: dict[str, Callable[[Path, str, list[str]], list[float]]] = {
    "math-shepherd": math_shepherd,
    "rlhflow-mistral": rlhflow,
    "rlhflow-deepseek": rlhflow,
    "skywork": skywork,
    "qwen2.5-math-prm": qwen,
    "token-classification": trl,
}
