"""A small desk: customers with habits, some new transactions that break them, as files of any form."""

import csv
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

COLUMNS = ("id", "time", "customer", "merchant", "amount", "memo", "fraud")
START = datetime(2025, 3, 1, 9, 0)
Row = tuple[str, str, str, str, str, str, str]


def transactions(count: int, *, seed: int = 1, days: float = 40, first: int = 0, start: datetime = START) -> list[Row]:
    """In order of time. One in twenty is a fraud: ten times as large as usual, always at the same merchant."""
    chance = random.Random(seed)
    made = list[Row]()
    for number in range(count):
        time = start + timedelta(days=days * number / count, seconds=chance.randrange(60))
        customer = chance.randrange(8)
        fraud = chance.random() < 0.05
        amount = (50 + 10 * customer) * chance.uniform(0.7, 1.3) * (10 if fraud else 1)
        merchant = "shop-bad" if fraud else f"shop-{chance.randrange(6)}"
        made.append((f"t{first + number}", f"{time:%Y-%m-%d %H:%M:%S}", f"c{customer}", merchant, f"{amount:.2f}",
                     f"memo {number}", str(int(fraud))))  # fmt: skip
    return made


def write_csv(path: Path, rows: Sequence[Sequence[str]], columns: Sequence[str] = COLUMNS) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([columns, *rows])
    return path


def history_and_new(folder: Path, *, old: int = 600, new: int = 80) -> tuple[Path, Path]:
    rows = transactions(old + new)
    return write_csv(folder / "history.csv", rows[:old]), write_csv(folder / "new.csv", rows[old:])
