"""Tasks in words: their format, their examples, their sides; no torch."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tts_lab.ttt.text_tasks import (
    TaskFormat,
    TextView,
    text_examples,
    text_views,
)

unhurried = settings(deadline=None, derandomize=True, max_examples=100)
words = st.text("abcXYZ 0123{}inputoutput", min_size=1, max_size=12)

PAIRS = [("ab", "ba"), ("cde", "edc"), ("fg", "gf")]
MIRROR = {"mirror": (lambda text: text[::-1], lambda text: text[::-1])}
SHORT = TaskFormat("{input}={output};", "{input}=", "{output}", ";")


def taught(text: str, spans: tuple[tuple[int, int], ...]) -> list[str]:
    return [text[first:last] for first, last in spans]


# Formats


@unhurried
@given(words, words, words)
def test_any_texts_are_written_as_they_are(one: str, other: str, asked: str) -> None:
    """Braces in them are no places of the format."""
    found = TaskFormat().prompt([(one, other)], asked)
    assert found == f"Input: {one}\nOutput: {other}\n\nInput: {asked}\nOutput:"
    assert TaskFormat().completion(other) == " " + other
    swapped = TaskFormat("{output}<{input};", "{input}", "{output}", "")
    assert swapped.prompt([(one, other)], asked) == f"{other}<{one};{asked}"


@unhurried
@given(words.filter(str.strip))
def test_what_is_completed_is_read(output: str) -> None:
    for one in (TaskFormat(), SHORT, TaskFormat(answered="#{output}#", stop="")):
        text = one.completion(output)
        assert one.read(text) == output
        if one.stop:
            assert one.read(f"{text}{one.stop}Input: {output}") == output


@pytest.mark.parametrize("text", ["", " ", "\n\n", " \n\nInput: 9\nOutput: 10", "9"])
def test_what_states_no_answer(text: str) -> None:
    assert TaskFormat().read(text) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shown": "{input}"}, r"shown='\{input\}' must have '\{output\}'"),
        ({"shown": "{input}{input}{output}"}, r"must have '\{input\}' in it once"),
        ({"asked": "{output}"}, r"asked='\{output\}' must have '\{input\}'"),
        ({"answered": ""}, "answered='' must have"),
    ],
)
def test_formats_that_are_none(options: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TaskFormat(**options)


# Examples


def test_the_first_examples_are_the_tasks_as_they_stand() -> None:
    found = text_examples(PAIRS, size=3, format=SHORT, augmentations=MIRROR)
    assert [one.text for one in found] == [
        "cde=edc;fg=gf;ab=ba", "ab=ba;fg=gf;cde=edc", "ab=ba;cde=edc;fg=gf",
    ]  # fmt: skip
    assert [taught(one.text, one.spans) for one in found] == [
        ["gf", "ba"], ["gf", "edc"], ["edc", "gf"],
    ]  # fmt: skip


def test_every_example_is_a_left_out_task_from_some_side() -> None:
    found = text_examples(PAIRS, size=60, format=SHORT, augmentations=MIRROR, seed=1)
    sides = Counter()
    for number, one in enumerate(found):
        parts = [tuple(part.split("=")) for part in one.text.split(";")]
        mirrored = parts[-1] != PAIRS[number % 3]
        if mirrored:
            parts = [(a[::-1], b[::-1]) for a, b in parts]
        assert parts[-1] == PAIRS[number % 3]
        assert sorted(parts) == sorted(PAIRS)
        sides[mirrored] += 1
        assert taught(one.text, one.spans) == [
            part.split("=")[1] for part in one.text.split(";")[1:]
        ]
    assert min(sides.values()) > 15
    assert found == text_examples(
        PAIRS, size=60, format=SHORT, augmentations=MIRROR, seed=1
    )
    assert found != text_examples(
        PAIRS, size=60, format=SHORT, augmentations=MIRROR, seed=2
    )


def test_options_of_the_ablation() -> None:
    for one in text_examples(PAIRS, size=9, format=SHORT, demonstration_loss=False):
        assert taught(one.text, one.spans) == [one.text.rpartition("=")[2]]
        assert one.text.count(";") == 2
    for number, one in enumerate(
        text_examples(PAIRS, size=6, format=SHORT, leave_out=False)
    ):
        assert one.text == "=".join(PAIRS[number % 3])
        assert taught(one.text, one.spans) == [PAIRS[number % 3][1]]


def test_examples_that_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="1 demonstrations; accepted are 2 or more"):
        text_examples(PAIRS[:1], size=4)
    with pytest.raises(ValueError, match="0 demonstrations; accepted are 1 or more"):
        text_examples([], size=4, leave_out=False)
    with pytest.raises(ValueError, match="size is 0"):
        text_examples(PAIRS, size=0)
    with pytest.raises(ValueError, match=r"output 'b;a' has the format's stop ';'"):
        text_examples([*PAIRS, ("ab", "b;a")], size=4, format=SHORT)
    upper = {"upper": (str.upper, str.lower)}
    with pytest.raises(ValueError, match=r"'upper' turns 'Ab' into 'AB' and does not"):
        text_examples([*PAIRS, ("Ab", "x")], size=4, augmentations=upper)
    assert text_examples(PAIRS, size=4, augmentations=upper)
    with pytest.raises(ValueError, match="'identity' is always there"):
        text_examples(PAIRS, size=4, augmentations={"identity": (str, str)})


# Sides


def test_the_sides_to_look_from() -> None:
    found = text_views(3, MIRROR, permutations=3, seed=0)
    assert Counter(view.name for view in found) == {"identity": 4, "mirror": 4}
    assert [view.order for view in found[::4]] == [(), ()]
    assert all(sorted(v.order) == [0, 1, 2] for v in found if v.order)
    assert [v.name for v in text_views(3, permutations=0)] == ["identity"]
    assert text_views(3, MIRROR, seed=5) == text_views(3, MIRROR, seed=5)


@unhurried
@given(st.integers(0, 1000), words)
def test_a_side_is_turned_back(seed: int, answer: str) -> None:
    for view in text_views(3, MIRROR, seed=seed):
        assert view.back(view.forward(answer)) == answer
        seen = [(view.back(a), view.back(b)) for a, b in view.pairs(PAIRS)]
        assert seen == [PAIRS[i] for i in view.order or range(3)]


def test_an_answer_that_cannot_be_turned_back_is_none() -> None:
    view = TextView("next", lambda text: str(int(text) + 1), lambda t: str(int(t) - 1))
    assert view.back("8") == "7" and view.back("eight") is None
