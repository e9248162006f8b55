"""Tiny random reward models of the public families, with tokenizers that hold markers.

Each maker writes a folder as the published ones are laid out and returns it; the
architectures are the published ones, at two layers of 64. Traces to score are here too.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from tts_lab.traces import Problem, Trace

QUESTION = "Natalia sold 48 clips, then half as many. What is the total?"
STEPS = [
    "Step 1: Natalia sold 48/2 = 24 clips then.",
    "Step 2: the total is 48+24 = 72 - so more.",
    "The answer is \\boxed{72}.",
]
CHAIN = Problem("chains", "47+38*6\n", 2)
LINES = [
    Trace(CHAIN, "47+38=85\n85*6=510\n#510", 23, True),
    Trace(CHAIN, "47+38=85\n85*6=520\n#520\n", 24, True),
    Trace(CHAIN, "47+38=85\n85*6=5", 15),
    Trace(CHAIN, "47+38=85\n", 9),
    Trace(CHAIN),
]
CORPUS = [
    "Natalia sold clips to 48 of her friends. Step 1: the total is 48+24 = 72.",
    "What is the value of the sum? The answer is \\boxed{72}. Step 2: so 3*4-5 = 7.",
    "Therefore the mean of the numbers is 12. + - ки system user assistant",
]
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA_SPECIAL = [
    "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>",
    "<|end_header_id|>", "<|eot_id|>", "<|reserved_special_token_0|>",
]  # fmt: skip
QWEN_SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<extra_0>"]
LLAMA_TEMPLATE = (
    "{{ '<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
    "Today Date: 26 Jul 2024\n\n<|eot_id|>' }}{% for m in messages %}"
    "{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' }}"
    "{{ m['content'] | trim }}{{ '<|eot_id|>' }}{% endfor %}"
)
QWEN_TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + "
    "'<|im_end|>' + '\n' }}{% endfor %}"
)
SHAPE = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 512,
    "initializer_range": 0.25,  # scores that differ
}


def sentencepiece_like() -> Tokenizer:
    """As Mistral's: a blank before every text, bytes for what it has no letter for."""
    letters = sorted({c for text in CORPUS for c in text} - {" "} | set("<>/|_s"))
    pieces = ["ки", "▁ки", "▁+", "▁-", "th", "▁t", "he", "▁the", "▁is", "St", "ep"]
    merges = [("к", "и"), ("▁", "ки"), ("▁", "+"), ("▁", "-"), ("h", "e"), ("t", "h"),
              ("▁", "t"), ("▁t", "he"), ("▁", "is"), ("S", "t"), ("e", "p"),
              ("i", "s")]  # fmt: skip
    names = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256)), "▁"]
    names += [*letters, *pieces, "is"]
    made = Tokenizer(
        models.BPE(
            vocab={name: i for i, name in enumerate(dict.fromkeys(names))},
            merges=merges,
            byte_fallback=True,
            unk_token="<unk>",
            fuse_unk=True,
        )
    )
    made.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    made.add_special_tokens(["<unk>", "<s>", "</s>"])
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    return made


def byte_level(special: list[str], ordinary: tuple[str, ...] = ()) -> Tokenizer:
    """As Llama 3's and Qwen2.5's: bytes, words split by one pattern."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(
            vocab_size=400,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    made.add_special_tokens(special)
    made.add_tokens([AddedToken(name, normalized=False) for name in ordinary])
    return made


def _tokenizer(folder: Path, made: Tokenizer, **settings: str) -> None:
    wrapped = transformers.PreTrainedTokenizerFast(tokenizer_object=made, **settings)
    wrapped.save_pretrained(folder)


def _config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(config))


def math_shepherd(folder: Path) -> Path:
    made = sentencepiece_like()
    torch.manual_seed(1)
    config = transformers.MistralConfig(vocab_size=made.get_vocab_size(), **SHAPE)
    transformers.MistralForCausalLM(config).save_pretrained(folder)
    _tokenizer(folder, made, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    return folder


def rlhflow(folder: Path, *, tied: bool = False) -> Path:
    made = byte_level(LLAMA_SPECIAL)
    torch.manual_seed(2)
    config = transformers.LlamaConfig(
        vocab_size=made.get_vocab_size(), tie_word_embeddings=tied, **SHAPE
    )
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    _tokenizer(folder, made, bos_token=LLAMA_SPECIAL[0], eos_token="<|eot_id|>",
               chat_template=LLAMA_TEMPLATE)  # fmt: skip
    return folder


def _qwen(folder: Path, seed: int, **tokens: str) -> tuple[Any, Any]:
    made = byte_level(QWEN_SPECIAL, ("<tool_call>",))
    torch.manual_seed(seed)
    config = transformers.Qwen2Config(
        vocab_size=made.get_vocab_size(), dtype="float32", **SHAPE
    )
    folder.mkdir(parents=True)
    _tokenizer(folder, made, eos_token="<|endoftext|>", pad_token="<|endoftext|>",
               **tokens)  # fmt: skip
    return config, made


def skywork(folder: Path) -> Path:
    """A causal language model and `v_head.summary` in one file."""
    config, _ = _qwen(folder, 3, bos_token="<|endoftext|>")
    model = transformers.Qwen2ForCausalLM(config)
    config.save_pretrained(folder)
    own = {"AutoModel": "modeling_qwen2_prm.Qwen2ForPrmModel"}
    _config(folder, architectures=["Qwen2ForPrmModel"], auto_map=own)
    head = torch.nn.Linear(64, 1)
    weights = dict(model.state_dict())
    weights["v_head.summary.weight"] = head.weight.data * 3
    weights["v_head.summary.bias"] = head.bias.data
    save_file({n: t.contiguous().clone() for n, t in weights.items()},
              folder / "model.safetensors", {"format": "pt"})  # fmt: skip
    return folder


def qwen_prm(folder: Path) -> Path:
    """`Qwen2ForProcessRewardModel`, in two files as the large ones are."""
    config, _ = _qwen(folder, 4, chat_template=QWEN_TEMPLATE)
    config.save_pretrained(folder)
    own = {
        "AutoConfig": "configuration_qwen2_rm.Qwen2RMConfig",
        "AutoModel": "modeling_qwen2_rm.Qwen2ForProcessRewardModel",
    }
    _config(folder, architectures=["Qwen2ForProcessRewardModel"], auto_map=own)
    model = transformers.Qwen2Model(config)
    head = {
        "score.0.weight": torch.randn(64, 64) / 4,
        "score.0.bias": torch.randn(64) / 4,
        "score.2.weight": torch.randn(2, 64) / 16,
        "score.2.bias": torch.randn(2) / 4,
        "lm_head.weight": torch.randn(config.vocab_size, 64),
    }
    trunk = {f"model.{n}": t.clone() for n, t in model.state_dict().items()}
    parts = {"model-00001-of-00002.safetensors": trunk,
             "model-00002-of-00002.safetensors": head}  # fmt: skip
    for name, tensors in parts.items():
        save_file(tensors, folder / name, {"format": "pt"})
    index = {name: file for file, some in parts.items() for name in some}
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": 0}, "weight_map": index})
    )
    return folder


def trl(folder: Path, *, labels: int = 2) -> Path:
    config, _ = _qwen(folder, 5)
    config.num_labels = labels
    transformers.Qwen2ForTokenClassification(config).save_pretrained(folder)
    return folder


#: family -> what makes a checkpoint of it, and the folder's name that says which it is
MAKERS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "math-shepherd": (math_shepherd, "math-shepherd-mistral-7b-prm"),
    "rlhflow-mistral": (rlhflow, "Llama3.1-8B-PRM-Mistral-Data"),
    "rlhflow-deepseek": (
        lambda folder: rlhflow(folder, tied=True),
        "Llama3.1-8B-PRM-Deepseek-Data",
    ),
    "skywork": (skywork, "Skywork-o1-Open-PRM-Qwen-2.5-1.5B"),
    "qwen2.5-math-prm": (qwen_prm, "Qwen2.5-Math-PRM-7B"),
    "token-classification": (trl, "my-prm"),
}


def make(family: str, root: Path) -> Path:
    """A checkpoint of a family, under a name that says so."""
    maker, called = MAKERS[family]
    return maker(root / called)


def trace(steps: list[str], end: str = "\n\n", *, question: str = QUESTION) -> Trace:
    """A finished solution of a problem in words."""
    text = end.join(steps)
    return Trace(Problem("text", question, delimiter=end), text, 9, bool(steps))
