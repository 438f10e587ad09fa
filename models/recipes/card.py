"""The model's card, from the records the steps left: `python -m recipes.card WORK README.md [NOTE]`."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

GGUF = Path(__file__).resolve().parents[1] / "localfin_models" / "starter.gguf"

FORM = Path(__file__).with_name("card.md")


def record(work: Path, name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((work / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def table(rows: list[dict[str, Any]]) -> str:
    without = {(row["kind"], row["language"]): row for row in rows if not row["adapter"]}
    lines = []
    for row in (row for row in rows if row["adapter"]):
        off = without[row["kind"], row["language"]]
        cells = (row["kind"], row["language"], row["count"], row["exact"], row["named"], row["kept"], row["ended"])
        lines.append("| " + " | ".join(map(str, (*cells, off["exact"], off["named"]))) + " |")
    return "\n".join(lines)


def card(work: Path, note: str = "") -> str:
    """The card's text; `note` says what was special about the machine."""
    pretrain, lora, evaluation = (record(work, name) for name in ("pretrain", "lora", "evaluation"))
    gguf = GGUF.read_bytes()
    terms = (Path(__file__).parent / "data" / "terms.tsv").read_text(encoding="utf-8").count("\n") - 1
    return FORM.read_text(encoding="utf-8").format(
        parameters=pretrain["parameters"] / 1e6,
        gguf_bytes=len(gguf),
        gguf_sha256=hashlib.sha256(gguf).hexdigest(),
        terms=terms,
        pretrain=pretrain,
        lora=lora,
        pretrain_minutes=pretrain["seconds"] / 60,
        lora_minutes=lora["seconds"] / 60,
        first_step=pretrain["history"][0][0],
        first=pretrain["history"][0][2],
        last=pretrain["history"][-1][2],
        rate=pretrain["tokens"] / pretrain["seconds"],
        note=f" {note}" if note else "",
        long_steps=pretrain["phases"][-1]["steps"],
        lora_first_step=lora["history"][0][0],
        lora_first=lora["history"][0][1],
        lora_last=lora["history"][-1][1],
        questions=evaluation["questions"],
        table=table(evaluation["rows"]),
    )


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(card(Path(sys.argv[1]), *sys.argv[3:4]), encoding="utf-8")
