"""The calculators beside independent references, 200 cases each, and the recogniser on questions held out from tuning.

Needs the `dev` extra: QuantLib, pyxirr, mpmath. Results: `results/calc.md`.
"""

import sys
import time
from collections import Counter
from pathlib import Path

TOP = Path(__file__).parents[1]
sys.path[:0] = [str(TOP), *(str(TOP / name) for name in ("localfin", "models"))]

from tests.localfin.calc import questions, references  # noqa: E402

from localfin.calc import asked  # noqa: E402


def main() -> None:
    text = f"# Calculations\n\n{agreement()}\n\n## Questions\n\n{recognised()}\n"
    (TOP / "benchmarks" / "results" / "calc.md").write_text(text, encoding="utf-8")
    print(text)


def agreement() -> str:
    lines = [
        "| calculator | value | reference | cases | equal | largest difference |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in references.agreement():
        shown = f"{row.largest:.1e}" if row.largest else "0"
        lines.append(f"| {row.calculator} | {row.value} | {row.reference} | {row.cases} | {row.agree} | {shown} |")
    return "\n".join(lines)


def recognised() -> str:
    """Precision: of what was answered, how much was right. Recall: of what asks for a calculation, how much was."""
    lines = ["| questions | ask for one | right | wrong | fired | precision | recall | a question takes |",
             "| --- | --- | --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    for path in sorted((TOP / "tests" / "localfin" / "calc").glob("questions_*.tsv")):
        expected = questions.read(path)
        began = time.perf_counter()
        for one in expected:
            asked(one.question)
        took = (time.perf_counter() - began) / len(expected)
        outcomes = Counter((questions.outcome(one), bool(one.calculator)) for one in expected)
        right, wrong, fired = outcomes["right", True], outcomes["wrong", True], outcomes["fired", False]
        wanted = sum(bool(one.calculator) for one in expected)
        precision, recall = right / (right + wrong + fired), right / wanted
        lines.append(
            f"| {path.stem} ({len(expected)}) | {wanted} | {right} | {wrong} | {fired} "
            f"| {precision:.3f} | {recall:.3f} | {took * 1000:.1f} ms |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
