"""`localfin fraud check` on 1.2 million rows of history and 70,000 new ones, as a process: wall, CPU, memory.

Made-up card transactions, or a labelled Parquet file of one's own (`--data`, `--label`), of which a smaller one is
divided in the same proportion. The scorer is learned from seven days of the history once, before the stopwatch runs.
Results: `results/fraud.md`; of other numbers of rows they are printed alone.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import measure

TOP = Path(__file__).parents[1]


class Rows(NamedTuple):
    history: int
    new: int


FULL = Rows(1_200_000, 70_000)
TARGET_S, TARGET_MB = 20.0, 1500.0

_MADE = """
copy (
  with drawn as (
    select i as id, timestamp '2025-01-01' + to_microseconds((i * {step})::bigint + (random() * 1e6)::bigint) as time,
      (random() * 5000)::int as customer, (random() * 10000)::int as merchant, random() as size
    from range({rows}) as t(i)
  )
  select id, time, customer, merchant, round(exp(2 + 2 * size) * (1 + customer % 7), 2) as amount,
    (merchant % 500 = day(time) or (customer % 300 = day(time) and size > 0.5))::int as fraud
  from drawn order by time
) to '{path}' (format parquet)"""


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="localfin-bench-", dir=arguments.work) as folder:
        work = Path(folder)
        history, new, rows = _data(work, arguments.data)
        scorer = work / "scorer.json"
        environment = {**os.environ, "LOCALFIN_LANG": "en"}
        command = [sys.executable, "-m", "localfin", "fraud"]
        learned = measure.run(
            [*command, "fit", str(history), "--label", arguments.label, "--train-days", "7", "-o", str(scorer)],
            environment, work / "log",
        )  # fmt: skip
        machine, runs = measure.machine(), list[measure.Cost]()
        for number in range(arguments.runs):
            out = work / f"out{number}.jsonl"
            checked = [*command, "check", str(new), "--history", str(history), "--scorer", str(scorer), "-o", str(out)]
            measure.prepare(work, cold=False)
            runs.append(measure.run(checked, environment, work / "log"))
            with out.open("rb") as lines:
                if sum(1 for _ in lines) != rows.new:
                    raise SystemExit(f"{out} has not {rows.new} lines")
    text = _text(machine, learned, runs, rows, "made up" if arguments.data is None else arguments.data.name)
    sys.stdout.write(text)
    if rows == FULL:
        _write(text, machine, runs)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--work", type=Path, default=None, help="a folder for some 200 MB")
    parser.add_argument("--data", type=Path, default=None, help="a labelled Parquet file, whose last rows are new")
    parser.add_argument("--label", default="fraud")
    return parser.parse_args()


def _data(work: Path, data: Path | None) -> tuple[Path, Path, Rows]:
    """The earlier rows as history, the last 70,000 (or, of a smaller file, their share) as new ones."""
    import duckdb

    history, new, every = work / "history.parquet", work / "new.parquet", work / "every.parquet"
    with duckdb.connect() as con:
        con.execute("select setseed(0.5)")
        con.execute("set threads = 1")  # so that the same seed draws the same rows
        if data is None:
            rows = sum(FULL)
            con.execute(_MADE.format(step=130 * 86_400_000_000 // rows, rows=rows, path=every))
        source = every if data is None else data
        con.execute(
            "create table numbered as select *, row_number() over () as place from read_parquet(?)", [str(source)]
        )
        [(total,)] = con.execute("select count(*) from numbered").fetchall()
        new_rows = min(FULL.new, total * FULL.new // sum(FULL))
        for path, where in ((history, "<="), (new, ">")):
            con.execute(
                f"copy (select * exclude (place) from numbered "
                f"where place {where} {total - new_rows} order by place) "
                f"to '{path}' (format parquet)"
            )
    every.unlink(missing_ok=True)
    return history, new, Rows(total - new_rows, new_rows)


def _text(
    machine: dict[str, str | int | float], learned: measure.Cost, runs: list[measure.Cost], rows: Rows, data: str
) -> str:
    walls, peaks = sorted(run.wall_s for run in runs), [run.peak_rss_mb for run in runs]
    reached = statistics.median(walls) < TARGET_S and max(peaks) < TARGET_MB
    target = f"Target: under {TARGET_S:.0f} s and {TARGET_MB:,.0f} MB: {'reached' if reached else 'not reached'}. "
    return "\n".join([
        f"# fraud check: {rows.history:,} rows of history, {rows.new:,} new transactions",
        "",
        f"{machine['processor']}, {machine['cores']} cores; load before the start "
        f"{machine['load_before']:.2f}; data: {data}.",
        f"The whole process, from the files to {rows.new:,} JSON lines; the page cache was warm.",
        "",
        "| | wall s | CPU s | peak MB |",
        "| --- | --- | --- | --- |",
        *(
            f"| run {at} | {run.wall_s:.1f} | {run.cpu_s:.1f} | {run.peak_rss_mb:,.0f} |"
            for at, run in enumerate(runs, 1)
        ),
        f"| median ({walls[0]:.1f} to {walls[-1]:.1f} s) | {statistics.median(walls):.1f} | "
        f"{statistics.median(run.cpu_s for run in runs):.1f} | {max(peaks):,.0f} |",
        "",
        f"{target if rows == FULL else ''}Before it, `fraud fit --train-days 7` took {learned.wall_s:.0f} s and "
        f"{learned.peak_rss_mb:,.0f} MB.",
        "",
    ])  # fmt: skip


def _write(text: str, machine: dict[str, str | int | float], runs: list[measure.Cost]) -> None:
    results = TOP / "benchmarks" / "results"
    (results / "fraud.md").write_text(text, encoding="utf-8")
    facts = {"machine": machine, "runs": [[run.wall_s, run.cpu_s, run.peak_rss_mb] for run in runs]}
    (results / "fraud.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
