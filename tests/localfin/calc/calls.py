"""Random calls of every calculator, as JSON, of the kinds that its table declares."""

import random
from typing import Any

from localfin.calc.calling import CALCULATORS, Kind


def drawn(name: str, chance: random.Random) -> dict[str, Any]:
    """A call that makes sense."""
    calculator = CALCULATORS[name]
    call: dict[str, Any] = {"calculator": name}
    call |= {key: _value(key, kind, chance) for key, kind in calculator.needs.items()}
    for key, kind in calculator.takes.items():
        if key not in ("settlement", "maturity", "months", "days", "grace_months", "loan") and chance.random() < 0.5:
            call[key] = _value(key, kind, chance)
    if name == "loan":
        call["grace_months"] = chance.randrange(0, 12)
        call["months"] = chance.randrange(13, 361)
        call["principal"] = chance.randrange(1, 10**9)
    if name in ("bond_price", "bond_yield"):
        call["frequency"] = chance.choice([1, 2, 4])
        call |= {"months": 12 * chance.randrange(1, 30), "face": 100}
    if name == "bond_yield":
        call["price"] = chance.randrange(60, 130)
    if name == "interest":
        call["days" if chance.random() < 0.5 else "months"] = chance.randrange(1, 400)
    if name == "dsr":
        call |= {"repayment": chance.randrange(1, 10**8), "loan": chance.randrange(10**6, 10**9)}
        call |= {"rate_percent": 4.5, "months": chance.randrange(1, 480)}
    if name == "xirr":
        call["days"] = sorted(call["days"][: len(call["flows"])])
        call["flows"] = call["flows"][: len(call["days"])]
    if name in ("irr", "xirr"):
        call["flows"] = [
            -sum(abs(flow) for flow in call["flows"][1:]) // 2 - 1,
            *(abs(flow) for flow in call["flows"][1:]),
        ]
    if name == "break_even":
        call["price"] = call["variable"] + chance.randrange(1, 1000)
    if name == "exchange":
        call |= {"source": "USD", "target": "KRW", "units": 1}
    if name in ("change", "ratio"):
        call["before" if name == "change" else "whole"] = chance.randrange(1, 10**9)
    return call


def _value(key: str, kind: Kind | tuple[str, ...], chance: random.Random) -> Any:
    if isinstance(kind, tuple):
        return chance.choice(kind)
    if kind in ("money", "count", "signed"):
        return chance.randrange(1, 300 if key in ("periods", "years", "units", "frequency") else 10**6)
    return {
        "percent": lambda: round(chance.uniform(0.1, 20), 2),
        "months": lambda: chance.randrange(1, 360),
        "numbers": lambda: [chance.randrange(-(10**6), 10**6) for _number in range(6)],
        "day": lambda: "2025-11-01",
        "days": lambda: [f"20{20 + place}-0{chance.randrange(1, 10)}-15" for place in range(6)],
        "currency": lambda: chance.choice(["KRW", "USD", "EUR", "JPY"]),
    }[kind]()
