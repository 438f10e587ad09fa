"""Calls as JSON: what runs, that it runs the same again, that every figure is founded, and what is refused."""

import ctypes
import json
import os
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest
from tests.localfin.calc.calls import drawn

from localfin.calc import grammar, run
from localfin.calc.calling import CALCULATORS
from localfin.computed import Computed
from localfin_models.catalog import STARTER
from localfin_models.errors import InputRefused
from localfin_models.llama_binding import Log, load_binding

NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_FIRST_BYTE = 3  # of the tokens that stand for one byte
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def figures(text: str) -> list[Decimal]:
    return [Decimal(found.replace(",", "")) for found in NUMBER.findall(DAY.sub("", text))]


def held(computed: Computed) -> set[Decimal]:
    """Every number of the call and the values, as it is and without its sign."""
    found = set()
    for value in (*computed.call.values(), *computed.values.values()):
        for one in value if isinstance(value, list) else [value]:
            try:
                found |= {Decimal(str(one)), abs(Decimal(str(one)))}
            except ArithmeticError:
                continue
    return found


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("name", CALCULATORS)
def test_every_figure_of_a_text_is_in_the_call_or_the_values(name: str, language: Any) -> None:
    chance = random.Random(name)
    for _case in range(25):
        call = drawn(name, chance)
        computed = run(call, language)
        assert computed.name == name
        written = figures(computed.text)
        assert written
        assert [figure for figure in written if figure not in held(computed)] == [], (call, computed.text)
        for day in DAY.findall(computed.text):
            assert day in (*computed.call.values(), *computed.values.values())
        assert computed.formula
        assert computed.source
        assert bool(re.search("[가-힣]", computed.text)) == (language == "ko")


@pytest.mark.parametrize("name", CALCULATORS)
def test_a_call_asked_again_gives_the_same(name: str) -> None:
    chance = random.Random(name)
    for _case in range(10):
        computed = run(drawn(name, chance), "ko")
        again = run(json.loads(json.dumps(computed.call)))
        assert again == computed


@pytest.mark.parametrize(
    "call",
    [
        {},
        {"calculator": "__import__"},
        {"calculator": ["loan"]},
        {"calculator": "loan"},
        {"calculator": "loan", "principal": 1, "rate_percent": 1, "months": 1, "rules": []},
        {"calculator": "loan", "principal": True, "rate_percent": 1, "months": 1},
        {"calculator": "loan", "principal": None, "rate_percent": 1, "months": 1},
        {"calculator": "loan", "principal": {"a": 1}, "rate_percent": 1, "months": 1},
        {"calculator": "loan", "principal": "9" * 50, "rate_percent": 1, "months": 1},
        {"calculator": "loan", "principal": 10**30, "rate_percent": 1, "months": 1},
        {"calculator": "loan", "principal": 1e300, "rate_percent": 1, "months": 1},
        {"calculator": "loan", "principal": float("nan"), "rate_percent": 1, "months": 1},
        {"calculator": "loan", "principal": float("inf"), "rate_percent": 1, "months": 1},
        {"calculator": "loan", "principal": -5, "rate_percent": 1, "months": 1},
        {"calculator": "loan", "principal": "0.5", "rate_percent": 1, "months": 1},
        {"calculator": "loan", "principal": 1, "rate_percent": 1e9, "months": 1},
        {"calculator": "loan", "principal": 1, "rate_percent": "NaN", "months": 1},
        {"calculator": "loan", "principal": 1, "rate_percent": 1, "months": 10**9},
        {"calculator": "loan", "principal": 1, "rate_percent": 1, "months": 1.5},
        {"calculator": "loan", "principal": 1, "rate_percent": 1, "months": 1, "method": "free"},
        {"calculator": "loan", "principal": 1, "rate_percent": 1, "months": 1, "language": "fr"},
        {"calculator": "deposit", "principal": 10**14, "rate_percent": 1000, "months": 1200, "compounding": "monthly"},
        {"calculator": "total", "numbers": []},
        {"calculator": "total", "numbers": 5},
        {"calculator": "total", "numbers": [1] * 1001},
        {"calculator": "total", "numbers": [[1]]},
        {"calculator": "irr", "flows": [1, 2, 3]},
        {"calculator": "irr", "flows": [-1, 10**14]},
        {"calculator": "xirr", "flows": [-1, 2], "days": ["2025-01-01"]},
        {"calculator": "xirr", "flows": [-1, 2], "days": [1, 2]},
        {"calculator": "loan", "principal": 1, "rate_percent": 1, "months": 1, "currency": 5},
        {"calculator": "xirr", "flows": [-1, 2], "days": ["2025-01-01", "2024-01-01"]},
        {"calculator": "xirr", "flows": [-1, 2], "days": ["2025-02-30", "2026-01-01"]},
        {"calculator": "bond_price", "coupon_percent": 1, "yield_percent": 1},
        {"calculator": "bond_price", "coupon_percent": 1, "yield_percent": 1, "months": 7},
        {"calculator": "bond_price", "coupon_percent": 1, "yield_percent": 1, "settlement": "0001-02-01",
         "maturity": "0001-02-09"},
        {"calculator": "bond_yield", "coupon_percent": 1, "price": 10**12, "months": 12},
        {"calculator": "break_even", "fixed": 1, "price": 1, "variable": 1},
        {"calculator": "exchange", "amount": 1, "source": "USD", "target": "USD", "rate": 1},
        {"calculator": "exchange", "amount": 1, "source": "dragons", "target": "USD", "rate": 1},
        {"calculator": "ratio", "part": 1, "whole": 0},
        {"calculator": "growth", "before": 0, "after": 1, "years": 1},
        {"calculator": "dsr", "income": 0, "repayment": 1},
        {"calculator": "dsr", "income": 1},
        {"calculator": "interest", "principal": 1, "rate_percent": 1},
    ],
    ids=repr,
)  # fmt: skip
def test_a_call_without_sense_is_refused_in_one_line(call: Mapping[str, Any]) -> None:
    with pytest.raises(InputRefused) as refused:
        run(call)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 200


def test_the_heaviest_calls_are_short() -> None:
    """The largest that a model can ask for: seconds would be a way to keep a machine busy."""
    heavy = [
        {"calculator": "loan", "principal": 10**14, "rate_percent": 999, "months": 1200},
        {
            "calculator": "savings",
            "monthly": 10**9,
            "rate_percent": "0.123457",
            "months": 1200,
            "compounding": "quarterly",
        },
        {"calculator": "bond_yield", "coupon_percent": 1, "price": 50, "months": 1200, "frequency": 12},
        {"calculator": "irr", "flows": [-1000, *range(1, 1000)]},
        {"calculator": "growth", "before": "0.0001", "after": 10**9, "years": "1000"},
    ]
    for call in heavy:
        began = time.process_time()
        run(call)
        assert time.process_time() - began < 3


def test_no_call_breaks_the_calculators() -> None:
    """Whatever numbers the grammar lets through, there is a result or a refusal."""
    chance = random.Random(6)
    for name in CALCULATORS:
        for _case in range(60):
            call = drawn(name, chance)
            key = chance.choice([key for key in call if key != "calculator"])
            extreme = [0, "0.0001", 10**14, "999999999999999", "-1", "1e9", "", "가", "9999", "2025-02-29", [], [1]]
            call[key] = chance.choice(extreme)
            try:
                run(call)
            except InputRefused:
                continue


@pytest.fixture(scope="module")
def accepts() -> Iterator[Callable[[str], bool]]:
    """Whether llama.cpp, held to the grammar, lets a text through to its end, byte for byte."""
    b = load_binding()
    log = Log(b)
    params = b.llama_model_default_params()
    params.vocab_only = True
    model = b.llama_model_load_from_file(os.fsencode(STARTER), params)
    vocab = b.llama_model_get_vocab(model)
    one = (b.llama_token_data * 1)()

    def allowed(sampler: Any, token: int) -> bool:
        one[0].id, one[0].logit = token, 1.0
        candidates = b.llama_token_data_array(ctypes.cast(one, ctypes.POINTER(b.llama_token_data)), 1, -1, False)
        b.llama_sampler_apply(sampler, ctypes.byref(candidates))
        return bool(one[0].logit > float("-inf"))

    def whole(text: str) -> bool:
        sampler = b.llama_sampler_init_grammar(vocab, grammar().encode(), b"root")
        assert sampler
        through = True
        for byte in text.encode():
            through = through and allowed(sampler, _FIRST_BYTE + byte)
            if through:
                b.llama_sampler_accept(sampler, _FIRST_BYTE + byte)
        through = through and allowed(sampler, b.llama_vocab_eos(vocab))
        b.llama_sampler_free(sampler)
        return through

    yield whole
    b.llama_model_free(model)
    assert not log.reason()


@pytest.mark.parametrize("name", CALCULATORS)
def test_llama_cpp_lets_a_call_through_and_nothing_beside_it(name: str, accepts: Callable[[str], bool]) -> None:
    calculator = CALCULATORS[name]
    call = drawn(name, random.Random(name))
    ordered = {"calculator": name, **{key: call[key] for key in (*calculator.needs, *calculator.takes) if key in call}}
    assert accepts(json.dumps(ordered))
    assert not accepts(json.dumps({**ordered, "calculator": "system"}))
    assert not accepts(json.dumps({**ordered, "more": 1}))
    assert not accepts(json.dumps(ordered)[:-1])
