"""The transformers proposer beyond what all proposers share.

Real tokenizers that merge, chat templates, tiny random checkpoints of several
architectures, kept prefixes, memory that runs out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from test_conformance import COUNTDOWN, PROMPTS, alike, greedy, rows_of, texts, write

from tts_lab import ladder, problems
from tts_lab.ladder import reference
from tts_lab.ladder.rows import row_keys
from tts_lab.proposers import Job, Writing
from tts_lab.proposers import transformers as module
from tts_lab.proposers.transformers import Transformers

pytestmark = pytest.mark.hf

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

CORPUS = [
    "Two plus two is four.\n\nSo the answer is \\boxed{4}.\n",
    "Größe und Maß: zählen, 数学は楽しい, café ☕ naïve\n\n",
    "  spaces   and\ttabs, lines\n\n\nmore lines\n\n",
    "x = 12 + 34 * 5 - 6\n\nStep 1: 34 * 5 = 170\n\n",
]
BROKEN = "\N{REPLACEMENT CHARACTER}"  # half of a character
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}"
    "{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
}


def tokenizer(folder: Path, *, kind: str = "bytes", template: str | None = None) -> Any:
    """A small tokenizer that merges, trained on the corpus and saved."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from tokenizers.processors import TemplateProcessing

    special = ["<pad>", "<s>", "</s>", "<|end|>"]
    if kind == "bytes":
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = decoders.ByteLevel()
        first = pre_tokenizers.ByteLevel.alphabet()
    else:  # as sentencepiece does it: a mark for spaces, bytes for what is unknown
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
        first = [chr(c) for c in range(33, 127)]
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=special, initial_alphabet=first,
        show_progress=False,
    )  # fmt: skip
    made.train_from_iterator(CORPUS[::3] if kind != "bytes" else CORPUS, trainer)
    if kind != "bytes":
        trained = json.loads(made.to_str())["model"]
        vocabulary = trained["vocab"]
        for token in ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]:
            vocabulary[token] = len(vocabulary)
        made.model = models.BPE(
            vocabulary, [tuple(pair) for pair in trained["merges"]],
            unk_token="<unk>", byte_fallback=True, fuse_unk=True,
        )  # fmt: skip
        made.decoder = decoders.Sequence(
            [
                decoders.Replace("▁", " "),
                decoders.ByteFallback(),
                decoders.Fuse(),
                decoders.Strip(" ", 1, 0),
            ]
        )
    made.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", made.token_to_id("<s>"))]
    )
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    if template:
        wrapped.chat_template = template
    wrapped.save_pretrained(folder)
    return transformers.AutoTokenizer.from_pretrained(folder)


def checkpoint(folder: Path, kind: str = "Llama", **options: Any) -> Path:
    """A random model of an architecture for the tokenizer in the folder."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    known = transformers.AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(known), bos_token_id=known.bos_token_id,
        eos_token_id=known.eos_token_id, pad_token_id=known.pad_token_id,
        **(SHAPE | options),
    )  # fmt: skip
    name = {"GPT2": "GPT2LMHeadModel"}.get(kind, f"{kind}ForCausalLM")
    model = getattr(transformers, name)(config)
    with torch.no_grad():  # so that texts are not one token over and over
        for parameter in model.parameters():
            parameter.mul_(3)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def rung() -> Iterator[Transformers]:
    proposer = Transformers("105k", device="cpu")
    yield proposer
    proposer.close()


@pytest.fixture
def fresh() -> Iterator[Transformers]:
    proposer = Transformers("105k", device="cpu", batch=16)
    yield proposer
    proposer.close()


class Watched:
    """A model that notes the shape of what it is given, and may do more."""

    def __init__(self, proposer: Transformers, also: Callable[..., None]) -> None:
        self.model = proposer._reader.model
        self.also = also
        self.shapes: list[tuple[int, int]] = []
        self.device = self.model.device
        proposer._reader.model = self

    def __call__(self, **given: Any) -> Any:
        self.shapes.append(tuple(given["input_ids"].shape))
        self.also(**given)
        return self.model(**given)


def watched(proposer: Transformers, also: Any = lambda **_: None) -> Watched:
    return Watched(proposer, also)


# The same samples as the built-in engine


@pytest.mark.parametrize("until, batch", [("end", 64), ("end", 24), ("step", 24)])
def test_a_rung_writes_the_engines_samples(until: Any, batch: int) -> None:
    jobs = [
        Job(prompt, "", 50 + i, range(5), until=until, temperature=temperature)
        for i, prompt in enumerate(PROMPTS)
        for temperature in (1.0, 0.7)
    ]
    proposer = Transformers("105k", device="cpu", batch=batch)
    mine, theirs = write(proposer, *jobs), write(ladder.load("105k"), *jobs)
    same = [mine[key][:3] == theirs[key][:3] for key in theirs]
    assert np.mean(same) > 0.98
    for key in theirs:
        if mine[key].text == theirs[key].text:
            assert mine[key].logprob == pytest.approx(theirs[key].logprob, abs=1e-3)


def test_random_numbers_are_those_of_the_reference() -> None:
    from tts_lab.proposers.torch_draw import uniform

    keys = row_keys(2**64 - 3, range(5, 9))
    for t in (0, 1, 255, 2**40):
        found = uniform(keys, np.full(4, t, np.uint64))
        for row, u in zip(range(5, 9), found, strict=True):
            assert u == reference.uniform(reference.row_key(2**64 - 3, row), t)


def test_a_draw_is_where_the_random_number_falls() -> None:
    from tts_lab.proposers.torch_draw import draw

    p = torch.tensor([0.0, 0.5, 0.0, 0.25, 0.25, 0.0])
    for temperature, edge in ((1.0, 0.5), (0.5, 2 / 3)):
        u = np.array([0.0, edge - 1e-6, edge + 1e-6, 1 - 2**-53])
        logits = p.log().expand(4, -1)
        tokens, logprobs = draw(logits, np.full(4, temperature), u)
        assert tokens == [1, 1, 3, 4]
        assert np.exp(logprobs[0]) == pytest.approx(edge)
    tokens, logprobs = draw(p.log().expand(2, -1), np.array([0.0, 1.0]), u[2:])
    assert tokens == [1, 4]
    assert np.exp(logprobs) == pytest.approx([0.5, 0.25])


# Models of several kinds, against transformers' own `generate`


@pytest.mark.parametrize(
    "kind, options",
    [
        ("Llama", {}),
        ("Qwen2", {}),
        ("Qwen2", {"use_sliding_window": True, "sliding_window": 8,
                   "max_window_layers": 1}),
        ("Mistral", {"sliding_window": 8}),
        ("Gemma2", {"sliding_window": 8, "head_dim": 8}),
        ("GPT2", {"n_positions": 128}),
    ],
    ids=["Llama", "Qwen2", "Qwen2 sliding", "Mistral sliding", "Gemma2", "GPT2"],
)  # fmt: skip
def test_greedy_tokens_are_those_of_generate(
    tmp_path: Path, kind: str, options: dict[str, Any]
) -> None:
    tokenizer(tmp_path)
    checkpoint(tmp_path, kind, **options)
    known = transformers.AutoTokenizer.from_pretrained(tmp_path)
    proposer = Transformers(tmp_path, device="cpu", batch=3)
    model = proposer._reader.model
    prompts = [CORPUS[3][:length] for length in (4, 9, 17, 30, 30)]
    jobs = [greedy(prompt, max_tokens=20) for prompt in prompts]
    found = write(proposer, *jobs)
    for i, prompt in enumerate(prompts):
        ids = known(prompt, return_tensors="pt").input_ids
        with torch.inference_mode():
            [full] = model.generate(ids, do_sample=False, max_new_tokens=20)
        new = full[ids.shape[1] :].tolist()
        ended = new[-1] == known.eos_token_id
        text = known.decode(full, skip_special_tokens=True)
        before = known.decode(ids[0], skip_special_tokens=True)
        assert found[i, 0].tokens == len(new)
        assert found[i, 0].finished == ended
        assert found[i, 0].text == text[len(before) :].rstrip(BROKEN)


def test_a_model_with_a_recurrent_state_is_refused(tmp_path: Path) -> None:
    tokenizer(tmp_path)
    checkpoint(tmp_path, "Mamba", state_size=4)
    with pytest.raises(ValueError, match="attention in every layer"):
        Transformers(tmp_path, device="cpu")


# Texts of tokenizers that merge


class Reciting:
    """A model that writes given tokens, by their place, whatever it reads."""

    device = torch.device("cpu")

    def __init__(self, proposer: Transformers, start: int, tokens: list[int]) -> None:
        self.start, self.tokens = start, tokens
        self.vocabulary = proposer._reader.model.get_input_embeddings().weight.shape[0]
        proposer._reader.model = self

    def __call__(self, **given: Any) -> Any:
        ids, cache = given["input_ids"], given["past_key_values"]
        for layer in range(len(cache.layers)):
            new = torch.zeros(ids.shape[0], 1, ids.shape[1], 2)
            cache.update(new, new, layer)
        logits = torch.zeros(ids.shape[0], 1, self.vocabulary)
        for i, place in enumerate(given["position_ids"][:, -1].tolist()):
            logits[i, 0, self.tokens[place + 1 - self.start]] = 50.0
        return SimpleNamespace(logits=logits)


@pytest.mark.parametrize("kind", ["bytes", "sentencepiece"])
@pytest.mark.parametrize(
    "front, text",
    [
        ("x =", " 12 + 34 * 5 - 6\n\nStep 1: 34 * 5 = 170"),
        ("", "Größe und Maß: zählen, 数学は楽しい, café ☕ naïve"),
        ("Step 1:", "   three spaces, 🙂🙂 and 数"),
        ("数学は楽しい", " ☕"),
    ],
)
def test_spaces_and_characters_of_several_bytes_survive(
    tmp_path: Path, kind: str, front: str, text: str
) -> None:
    known = tokenizer(tmp_path, kind=kind)
    checkpoint(tmp_path)
    proposer = Transformers(tmp_path, device="cpu")
    prompt = "Two plus two\n"
    before = known(prompt + front).input_ids
    after = known(prompt + front + text).input_ids
    assert proposer.count_tokens(prompt, front) == len(before)
    assert after[: len(before)] == before  # no token goes over the seam
    new = [*after[len(before) :], known.eos_token_id]
    Reciting(proposer, len(before), new)
    [row] = write(proposer, greedy(prompt, front)).values()
    assert row[:3] == (text, len(new), True)


@pytest.mark.parametrize("delimiter", ["\n\n", "\n", "ки", ". "])
def test_a_delimiter_is_found_in_the_text_not_in_the_tokens(
    tmp_path: Path, delimiter: str
) -> None:
    known = tokenizer(tmp_path)
    checkpoint(tmp_path)
    proposer = Transformers(tmp_path, device="cpu")
    text = f"Step 1: 34{delimiter}\n\n\nmore{delimiter}and more"
    new = [*known(text, add_special_tokens=False).input_ids, known.eos_token_id]
    start = proposer.count_tokens("x\n")
    Reciting(proposer, start, new)
    job = replace(greedy("x\n", until="step"), delimiter=delimiter)
    [row] = write(proposer, job).values()
    assert row.text == text[: text.index(delimiter) + len(delimiter)]
    assert not row.finished
    # all tokens needed to see it, and not one more
    assert delimiter in known.decode(new[: row.tokens])
    assert delimiter not in known.decode(new[: row.tokens - 1])


def test_no_row_ends_in_half_a_character(tmp_path: Path) -> None:
    known = tokenizer(tmp_path)
    checkpoint(tmp_path)
    proposer = Transformers(tmp_path, device="cpu")
    new = known("a🙂🙂", add_special_tokens=False).input_ids
    Reciting(proposer, proposer.count_tokens("x\n"), new)
    found = []
    for limit in range(1, len(new) + 1):
        [row] = write(proposer, greedy("x\n", max_tokens=limit)).values()
        assert row.tokens == limit
        found.append(row.text)
    assert set(found) == {"a", "a🙂", "a🙂🙂"}


def test_going_on_from_a_text_reads_it_with_the_prompt(tmp_path: Path) -> None:
    known = tokenizer(tmp_path)
    proposer = Transformers(checkpoint(tmp_path), device="cpu")
    seen: list[list[int]] = []
    watched(proposer, lambda **given: seen.append(given["input_ids"][0].tolist()))
    write(proposer, greedy("Two plus two", " is four", max_tokens=1))
    assert seen == [known("Two plus two is four").input_ids]


# Formats


def test_a_chat_template_is_applied_and_bos_stands_once(tmp_path: Path) -> None:
    known = tokenizer(tmp_path, template=TEMPLATE)
    checkpoint(tmp_path)
    proposer = Transformers(tmp_path, device="cpu")
    assert proposer.format.name == "chat"
    seen: list[list[int]] = []
    watched(proposer, lambda **given: seen.append(given["input_ids"][0].tolist()))
    write(proposer, greedy("What is 1+1?", max_tokens=1))
    [ids] = seen
    messages = proposer.format.messages("What is 1+1?")
    expected = known.apply_chat_template(messages, add_generation_prompt=True)
    assert ids == list(getattr(expected, "input_ids", expected))
    assert ids.count(known.bos_token_id) == 1
    assert proposer.count_tokens("What is 1+1?") == len(ids)
    longer = proposer.count_tokens("What is 1+1?", "Two")
    assert longer == len(ids) + len(known("Two", add_special_tokens=False).input_ids)


def test_a_chat_format_without_chat_template_is_an_error(tmp_path: Path) -> None:
    tokenizer(tmp_path)
    checkpoint(tmp_path)
    with pytest.raises(ValueError, match=r"'chat' needs a chat template"):
        Transformers(tmp_path, device="cpu", format="chat")
    assert Transformers(tmp_path, device="cpu").format.name == "plain"
    with pytest.raises(ValueError, match="'qwen' is unknown"):
        Transformers(tmp_path, device="cpu", format="qwen")


def test_the_fingerprint_changes_with_format_and_dtype(tmp_path: Path) -> None:
    tokenizer(tmp_path, template=TEMPLATE)
    checkpoint(tmp_path)
    found = {
        Transformers(tmp_path, device="cpu", **options).fingerprint
        for options in (
            {}, {"batch": 3}, {"format": "plain"}, {"dtype": "bfloat16"},
        )
    }  # fmt: skip
    assert len(found) == 3


def test_dtype_is_as_stored(tmp_path: Path) -> None:
    assert Transformers("105k", device="cpu").dtype == "float32"
    tokenizer(tmp_path)
    checkpoint(tmp_path)
    assert Transformers(tmp_path, device="cpu").dtype == "float32"
    half = Transformers(tmp_path, device="cpu", dtype="bfloat16")
    assert half.dtype == "bfloat16"
    assert write(half, Job("x", "", 1, range(3), max_tokens=4))
    half._reader.model.save_pretrained(tmp_path / "half")
    tokenizer(tmp_path / "half")
    assert Transformers(tmp_path / "half", device="cpu").dtype == "bfloat16"


def test_every_end_of_text_token_ends_a_row(tmp_path: Path) -> None:
    known = tokenizer(tmp_path)
    checkpoint(tmp_path)
    end = known.convert_tokens_to_ids("<|end|>")
    stated = transformers.GenerationConfig(eos_token_id=[end, known.eos_token_id])
    stated.save_pretrained(tmp_path)
    for last in (end, known.eos_token_id):
        proposer = Transformers(tmp_path, device="cpu")
        new = [*known("four", add_special_tokens=False).input_ids, last]
        Reciting(proposer, proposer.count_tokens("x\n"), new)
        [row] = write(proposer, greedy("x\n")).values()
        assert row[:3] == ("four", len(new), True)


# The batch


def test_at_most_batch_rows_are_written_side_by_side(fresh: Transformers) -> None:
    model = watched(fresh)
    jobs = [Job(prompt, "", i, range(9)) for i, prompt in enumerate(PROMPTS)]
    write(fresh, *jobs)
    steps = [rows for rows, width in model.shapes if width == 1]
    assert max(rows for rows, _ in model.shapes) == max(steps) == 16
    # places are filled again: full but for the end and where prefixes are waited for
    full = [rows for rows in steps if rows >= 14]
    assert len(full) > 0.6 * len(steps)


def test_each_prompt_is_read_once(fresh: Transformers) -> None:
    model = watched(fresh)
    jobs = [Job(p, "", i, range(40), max_tokens=6) for i, p in enumerate(PROMPTS)]
    write(fresh, *jobs)
    read = sum(rows for rows, width in model.shapes if width > 1)
    assert read == len(PROMPTS)


def test_rows_come_as_they_finish(
    fresh: Transformers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS_BETWEEN_CHUNKS", -1)
    model = watched(fresh)
    lengths = [3, 30, 12]
    jobs = [greedy(COUNTDOWN, max_tokens=n) for n in lengths]
    chunks = fresh.propose(jobs)
    came = []
    for chunk in chunks:
        came.append((chunk.job.tolist(), len(model.shapes)))
    # the first token comes from reading the prompt
    assert came == [([0], 3), ([2], 12), ([1], 30)]


def test_rows_are_not_made_before_their_turn(fresh: Transformers) -> None:
    chunks = fresh.propose([Job(COUNTDOWN, "", 1, range(10**9))])
    first = next(chunks)
    assert 0 < len(first.text) <= 16
    chunks.close()


def test_watch_is_told_what_is_being_written(
    fresh: Transformers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS_BETWEEN_WATCHES", -1)
    told: list[Writing] = []
    fresh.watch = told.append
    rows = write(fresh, Job(COUNTDOWN, "", 1, range(20)))
    assert told[0].rows == 0 and told[0].of == 20
    assert any(len(one.text) > 5 for one in told)
    assert [one.rows for one in told] == sorted(one.rows for one in told)
    assert (told[-1].rows, told[-1].of) == (20, 20)
    assert told[-1].tokens == sum(row.tokens for row in rows.values())


def test_cancel_takes_effect_before_the_next_step(fresh: Transformers) -> None:
    cancel = Event()
    model = watched(fresh)

    def press(**given: Any) -> None:
        if len(model.shapes) == 7:
            cancel.set()

    model.also = press
    found = list(fresh.propose([Job(COUNTDOWN, "", 1, range(100))], cancel=cancel))
    assert len(model.shapes) == 7
    assert sum(len(chunk.text) for chunk in found) == 0


def test_cancel_stops_between_readings_of_prompts(fresh: Transformers) -> None:
    cancel = Event()
    model = watched(fresh, lambda **_: cancel.set())
    jobs = [Job(prompt, "", 1, range(1)) for prompt in PROMPTS]
    assert list(fresh.propose(jobs, cancel=cancel)) == []
    assert len(model.shapes) == 1


# Kept prefixes


def test_a_search_reads_only_what_is_new(fresh: Transformers) -> None:
    jobs = [Job(p, "", 3 + i, range(4), until="step") for i, p in enumerate(PROMPTS)]
    children = write(fresh, *jobs)
    going = [
        Job(jobs[i].prompt, row.text, 90 + i, range(2), until="step")
        for (i, _), row in children.items()
        if not row.finished
    ]
    assert len(going) > 30
    model = watched(fresh)
    found = write(fresh, *going)
    # of each parent, the last token: it was drawn, but not read
    read = [rows for rows, _ in model.shapes]
    assert {width for _, width in model.shapes} == {1}
    fresh._prefixes.clear()
    fresh._prefixes.limit = 0
    model.shapes.clear()
    again = write(fresh, *going)
    assert max(width for _, width in model.shapes) > 10
    assert len(fresh._prefixes) == 0 and read
    assert alike([r.text for r in found.values()],
                 [again[key].text for key in found]) > 0.98  # fmt: skip


def test_a_prompt_asked_for_again_is_not_read_again(fresh: Transformers) -> None:
    model = watched(fresh)
    jobs = [Job(p, "", i, range(2), max_tokens=3) for i, p in enumerate(PROMPTS)]
    first = write(fresh, *jobs)
    assert model.shapes[0][1] > 1
    model.shapes.clear()
    assert write(fresh, *jobs) == first
    assert {width for _, width in model.shapes} == {1}
    assert len(model.shapes) == 4  # two tokens of rows that are 24, on 16 places


def state(tokens: int) -> Any:
    """As two layers would leave it: 64 bytes a token."""
    return [(torch.zeros(1, tokens, 4), torch.zeros(1, tokens, 4)) for _ in range(2)]


def test_kept_prefixes_share_their_bases_and_stay_within_the_limit() -> None:
    from tts_lab.proposers.torch_cache import Prefixes

    kept = Prefixes(64 * 11)
    kept.keep((1, 2, 3, 4), 0, state(4))
    kept.keep((1, 2, 3, 4, 5, 6), 4, state(2))
    kept.keep((1, 2, 3, 4, 7, 8), 4, state(2))
    assert (len(kept), kept.bytes) == (3, 64 * 8)
    assert kept.find((9, 9)) == (0, [], None)
    length, found, _ = kept.find((1, 2, 3, 4, 5, 6, 7))
    assert length == 6 and found[0][0].shape == (1, 6, 4)
    length, found, _ = kept.find((1, 2, 3, 4, 7, 9))
    assert length == 4 and found[1][1].shape == (1, 4, 4)
    # where the logits are not kept one token is left to compute
    length, found, logits = kept.find((1, 2, 3, 4))
    assert length == 3 and found[0][0].shape == (1, 3, 4) and logits is None
    kept.keep((1, 2, 3, 4), 0, state(4), torch.zeros(16))
    assert (len(kept), kept.bytes) == (3, 64 * 9)
    length, found, logits = kept.find((1, 2, 3, 4))
    assert length == 4 and found[0][0].shape == (1, 4, 4) and logits is not None
    # the one not used for longest goes, never a base before what stands on it
    kept.keep((8, 8, 8, 8), 0, state(4))
    assert kept.find((1, 2, 3, 4, 7, 8, 0))[0] == 4
    assert kept.find((1, 2, 3, 4, 5, 6, 0))[0] == 6
    assert kept.bytes == 64 * 11
    kept.keep((5,) * 12, 0, state(12))  # larger than the limit
    kept.keep((4, 4, 4), 2, state(1))  # its base is not kept
    assert len(kept) == 3
    kept.clear()
    assert (len(kept), kept.bytes) == (0, 0)


def test_long_rows_outgrow_the_buffers_and_move_to_their_front() -> None:
    """Rows that begin one after the other push the columns on for ever."""
    proposer = Transformers("105k", device="cpu", batch=3)
    some = [p.prompt for p in problems.evaluation_set("countdown", 5, 5)]
    jobs = [Job(prompt, "", i, range(3)) for i, prompt in enumerate(some)]
    assert alike(texts(proposer, *jobs), texts(ladder.load("105k"), *jobs)) > 0.95


# Memory that runs out


def out_of_memory_above(rows: int) -> Callable[..., None]:
    def check(**given: Any) -> None:
        if given["input_ids"].shape[0] > rows:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate")

    return check


def test_out_of_memory_halves_the_batch_and_says_so(fresh: Transformers) -> None:
    jobs = [Job(prompt, "", i, range(3)) for i, prompt in enumerate(PROMPTS)]
    expected = write(fresh, *jobs)
    watched(fresh, out_of_memory_above(8))
    found = write(fresh, *jobs)
    assert fresh.batch == 8
    assert len(fresh.notes) == 1
    assert "'cpu' ran out with 16 rows side by side; now there are 8" in fresh.notes[0]
    assert alike([r.text for r in expected.values()],
                 [found[key].text for key in expected]) > 0.98  # fmt: skip
    write(fresh, *jobs)
    assert len(fresh.notes) == 1


def test_out_of_memory_half_way_keeps_finished_rows(
    fresh: Transformers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS_BETWEEN_CHUNKS", -1)
    jobs = [Job(prompt, "", i, range(3)) for i, prompt in enumerate(PROMPTS)]
    expected = write(fresh, *jobs)
    model = watched(fresh)

    def once(**given: Any) -> None:
        if len(model.shapes) == 60:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    model.also = once
    before = 0
    chunks = []
    for chunk in fresh.propose(jobs):
        chunks.append(chunk)
        before += len(chunk.text) * (len(model.shapes) < 60)
    found = rows_of(iter(chunks))  # each row once
    assert before > 10 and len(fresh.notes) == 1
    assert found.keys() == expected.keys()
    assert alike([r.text for r in expected.values()],
                 [found[key].text for key in expected]) > 0.98  # fmt: skip


def test_out_of_memory_for_a_single_row_says_what_helps(fresh: Transformers) -> None:
    watched(fresh, out_of_memory_above(0))
    with pytest.raises(RuntimeError, match=r"one row of '105k'.*fewer max_tokens"):
        write(fresh, Job(COUNTDOWN, "", 1, range(40)))
    fresh._reader.model = fresh._reader.model.model
    assert fresh.batch == 1
    assert write(fresh, greedy(COUNTDOWN))


def test_a_model_that_does_not_fit_says_what_helps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*given: Any) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.nn.Module, "to", full)
    with pytest.raises(
        RuntimeError, match=r"0\.0 GiB in torch\.float32 and does not fit"
    ):
        Transformers("105k", device="cpu")


def test_other_errors_of_the_model_are_not_swallowed(fresh: Transformers) -> None:
    def broken(**given: Any) -> None:
        raise RuntimeError("CUDA error: device-side assert triggered")

    watched(fresh, broken)
    with pytest.raises(RuntimeError, match="device-side assert"):
        write(fresh, greedy(COUNTDOWN))
    assert fresh.notes == []


# Loading and closing


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    known = tokenizer(tmp_path)
    checkpoint(tmp_path)
    [weights] = tmp_path.glob("*.safetensors")
    torch.save({}, tmp_path / "pytorch_model.bin")
    weights.unlink()
    assert len(known) > 0
    with pytest.raises(ValueError, match=r"no \*\.safetensors"):
        Transformers(tmp_path, device="cpu")


def test_code_of_a_models_repository_is_not_run(tmp_path: Path) -> None:
    tokenizer(tmp_path)
    checkpoint(tmp_path)
    config = (tmp_path / "config.json").read_text()
    config = config.replace('"model_type": "llama"', '"model_type": "own", '
                            '"auto_map": {"AutoConfig": "own.Config", '
                            '"AutoModelForCausalLM": "own.Model"}')  # fmt: skip
    (tmp_path / "config.json").write_text(config)
    (tmp_path / "own.py").write_text("raise SystemExit('this ran')\n")
    with pytest.raises(ValueError, match="cannot load"):
        Transformers(tmp_path, device="cpu")


@pytest.mark.parametrize(
    "options, named",
    [
        ({"device": "tpu"}, r"device 'tpu' is not here; accepted are \["),
        ({"dtype": "int3"}, "dtype 'int3': accepted are auto, float32"),
        ({"batch": 0}, "batch 0: accepted is 1 or more"),
    ],
)
def test_errors_of_loading_quote_the_value(options: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Transformers("105k", **options)


def test_an_unknown_model_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"'\./nowhere' is no rung, no folder"):
        Transformers("./nowhere", device="cpu")


def test_an_empty_delimiter_is_an_error(rung: Transformers) -> None:
    job = replace(greedy(COUNTDOWN, until="step"), delimiter="")
    with pytest.raises(ValueError, match="delimiter ''"):
        write(rung, job)


def test_a_closed_proposer_says_so() -> None:
    proposer = Transformers("105k", device="cpu")
    proposer.close()
    proposer.close()
    with pytest.raises(RuntimeError, match="'105k' is closed"):
        write(proposer, greedy(COUNTDOWN))


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    proposer = Transformers("105k", device="cpu")
    write(proposer, greedy(COUNTDOWN))
    with pytest.raises(ValueError, match="301"):
        write(proposer, greedy("1" * 300))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("missing", ["torch", "transformers"])
def test_a_missing_extra_says_the_pip_line(missing: str) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from tts_lab.proposers.transformers import Transformers\n"
        "try: Transformers('105k')\n"
        "except ImportError as error: print(error)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert 'pip install "tts-lab[hf]"' in answer.stdout


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_cuda_device_writes_the_engines_greedy_texts() -> None:
    jobs = [greedy(prompt) for prompt in PROMPTS]
    proposer = Transformers("105k", device="cuda")
    assert alike(texts(proposer, *jobs), texts(ladder.load("105k"), *jobs)) == 1
    proposer.close()
