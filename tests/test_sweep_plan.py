"""Plan files: what is refused, with which words, and what units come of a plan."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sweeping import PLAN, UNITS, toml

from tts_lab.sweeps.plan import parse, read
from tts_lab.sweeps.units import plan_hash, read_problems, units


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"policy": ["27k"]}, "key 'policy' is unknown; accepted are policies"),
        ({"budgets": []}, "budgets = []; accepted is a list of 1 to"),
        ({"budgets": 4}, "budgets = 4; accepted is a list"),
        ({"budgets": [0]}, "budgets: 0; accepted are whole numbers from 1 to 1,"),
        ({"budgets": [10**9]}, "budgets: 1000000000; accepted are"),
        ({"budgets": [1 << 99999]}, "too many digits to print; accepted are"),
        ({"budgets": [True]}, "budgets: True; accepted are"),
        ({"budgets": [4, 4]}, "budgets: 4 is there twice"),
        ({"seeds": [-1]}, "seeds: -1; accepted are whole numbers from 0"),
        ({"seeds": [2**63]}, "seeds: 9223372036854775808; accepted"),
        ({"strategies": ["bean"]}, "strategies: 'bean'; accepted are best_of_n"),
        ({"rule": "best"}, "rule='best'; accepted are ['best-of-n'"),
        ({"temperature": float("nan")}, "temperature = nan; accepted is a number"),
        ({"temperature": 1e9}, "temperature = 1000000000.0; accepted is"),
        ({"max_tokens": 0}, "max_tokens: 0; accepted are"),
        ({"chunk": 0}, "chunk: 0; accepted are"),
        ({"policies": [7]}, "policies: 7; accepted is a text such as"),
        ({"policies": [{"name": "a"}]}, "policies: {'name': 'a'}; accepted is a text"),
        ({"policies": [{"spec": "27k", "gpu": "1"}]}, "key 'gpu' is unknown"),
        ({"policies": [{"spec": "27k", "name": "../../etc"}]}, "name '../../etc'; acc"),
        ({"policies": [{"spec": "27k", "name": "a/b"}]}, "name 'a/b'; accepted"),
        ({"policies": [{"spec": "27k", "name": ".a"}]}, "name '.a'; accepted"),
        ({"policies": [{"spec": "27k", "name": "a\n"}]}, "cannot be printed"),
        ({"verifiers": ["a b", "a-b"]}, "two of them are called 'a-b'"),
        ({"problems": [""]}, "problems: ''; accepted is a text in quotes"),
        ({"seeds": list(range(10_000)), "budgets": list(range(1, 102))},
         "3,030,000 combinations; accepted are 1,000,000 or fewer"),
    ],
)  # fmt: skip
def test_what_is_refused_is_quoted_with_what_is_accepted(change, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        parse(PLAN | change)


def test_a_missing_key_is_named():
    with pytest.raises(ValueError, match="key 'budgets' is missing"):
        parse({key: value for key, value in PLAN.items() if key != "budgets"})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"policies = [", "Invalid"),
        (b"\xff\xfe", "can't decode"),
        (b"a = " + b"[" * 200_000, "nested too deeply"),
        (b"#" * (1 << 20) + b"#", "longer than 1,048,576 bytes"),
    ],
)
def test_a_file_that_is_no_plan_is_named(tmp_path, content, words):
    path = tmp_path / "plan.toml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=words) as error:
        read(path)
    assert str(path) in str(error.value)


def test_a_file_says_what_a_mapping_says(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(toml(PLAN))
    assert read(path) == parse(PLAN)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(
    st.sampled_from([*PLAN, "rule", "temperature", "max_tokens", "name"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["spec", "name", "x"]), inner, max_size=3),
        max_leaves=8,
    ),
))  # fmt: skip
def test_any_values_give_a_plan_or_a_value_error(change):
    try:
        plan = parse(PLAN | change)
    except ValueError:
        return
    for model in (*plan.policies, *plan.verifiers):
        assert re.fullmatch(r"[A-Za-z0-9][\w.-]*", model.name, re.ASCII)


def test_units_have_one_id_each_that_says_what_they_compute():
    plan = parse(PLAN)
    problems = read_problems(plan)
    first = {unit.id: unit.folder for unit in units(plan, problems)}
    assert len(first) == UNITS
    again = [unit.id for unit in units(plan, read_problems(plan))]
    assert list(first) == again
    for change in ({"temperature": 0.5}, {"rule": "majority"}, {"max_tokens": 9}):
        other = units(parse(PLAN | change), problems)
        assert not {unit.id for unit in other} & set(first)
    wider = units(parse(PLAN | {"budgets": [2, 4, 8]}), problems)
    assert set(first) < {unit.id for unit in wider}


def test_problems_are_counted_once_and_their_content_is_in_the_hash(tmp_path):
    file = tmp_path / "mine.jsonl"
    row = '{{"problem": "6*{}?", "answer": "42"}}\n'
    file.write_text(row.format(7) + row.format(8) + row.format(7))
    plan = parse(PLAN | {"problems": [str(file)]})
    problems = read_problems(plan)
    assert [problem.prompt for problem in problems] == ["6*7?", "6*8?"]
    before = plan_hash(plan, problems)
    file.write_text(row.format(7) + row.format(9))
    assert plan_hash(plan, read_problems(plan)) != before


def test_no_password_is_written_down():
    url = "http://me:secret@localhost:8000/v1"
    plan = parse(PLAN | {"policies": [{"spec": url, "name": "served"}, url]})
    assert "secret" not in str(plan.public())
    assert "secret" not in str([u.folder for u in units(plan, read_problems(plan))])
