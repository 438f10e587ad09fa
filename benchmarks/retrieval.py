"""`localfin docs search` on questions with known places, and its speed in 100,000 passages.

    python benchmarks/retrieval.py [--data DIR] [--parts korean english speed] [--work DIR]

Korean: each paragraph of KorQuAD 1.0 dev is a document titled as its article; a question finds its paragraph. English:
each page of TAT-QA dev (a table and its paragraphs, no title) is a document; a question finds its page. R@1 and R@5 by
the documents of the passages found, in order. The settings were chosen on the articles and pages of even number,
counted from 0; those of odd number were only measured.

Speed: KorQuAD's paragraphs as they are, then with half of their Hangul words exchanged for words drawn from all
paragraphs (as often as they stand there), each time anew, until there are enough; a hundred a document, titled as an
article drawn. Wall and processor time of a search in this process; they differ where others work on the machine.
Prints tables, writes `results/retrieval.json` and `.md`.
"""

import argparse
import json
import math
import random
import re
import statistics
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from measure import machine

from localfin.documents import Block, Documents, Index, Piece
from localfin.documents.chunks import cut
from localfin.store import Database

RESULTS = Path(__file__).parent / "results"
PARTS = ("korean", "english", "speed")
Question = tuple[str, int, bool]
"""The question, the document that answers it, and whether it was held out."""
_WORD = re.compile("[가-힣]{2,}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("shared/data/qa"), help="KorQuAD_v1.0_dev.json and TAT-QA's")
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=PARTS, help="the others stay as they were measured"
    )
    parser.add_argument("--asked", type=int, default=1_000, help="questions that are timed")
    parser.add_argument("--work", type=Path, help="where the large index is built")
    options = parser.parse_args()
    articles = json.loads((options.data / "KorQuAD_v1.0_dev.json").read_text("utf-8"))["data"]
    pages = json.loads((options.data / "tatqa_dataset_dev.json").read_text("utf-8"))
    kept = RESULTS / "retrieval.json"
    result = json.loads(kept.read_text("utf-8")) if kept.exists() else {"found": {}}
    if "korean" in options.parts:
        result["found"]["KorQuAD dev, paragraph"] = korean(articles)
    if "english" in options.parts:
        result["found"]["TAT-QA dev, page"] = english(pages)
    if "speed" in options.parts:
        result["machine"] = machine()
        result["speed"] = timed(articles, options.passages, options.asked, options.work)
    about = result["machine"]
    text = f"{table(result['found'])}\n{speed_table(result['speed'])}\n{about['processor']}, {about['cores']} cores; "
    text += f"load before the start of the timing {about['load_before']:.2f}.\n"
    print(text)
    (RESULTS / "retrieval.md").write_text(text, "utf-8")
    kept.write_text(json.dumps(result, indent=2) + "\n", "utf-8")


def korean(articles: list[dict]) -> dict[str, dict[str, float]]:
    index, asked = Index(Database(None)), list[Question]()
    for number, article in enumerate(articles):
        for paragraph in article["paragraphs"]:
            document = index.enter(title_of(article), cut([Block("text", paragraph["context"])]))
            asked += [(question["question"], document, bool(number % 2)) for question in paragraph["qas"]]
    return recall(index, asked)


def english(pages: list[dict]) -> dict[str, dict[str, float]]:
    index, asked = Index(Database(None)), list[Question]()
    for number, page in enumerate(pages):
        rows = "\n".join("\t".join(row) for row in page["table"]["table"])
        texts = [paragraph["text"] for paragraph in sorted(page["paragraphs"], key=lambda each: each["order"])]
        document = index.enter("", cut([Block("table", rows), *(Block("text", text) for text in texts)]))
        asked += [(question["question"], document, bool(number % 2)) for question in page["questions"]]
    return recall(index, asked)


def recall(index: Index, asked: list[Question]) -> dict[str, dict[str, float]]:
    """Of the questions that were used to choose settings, of those held out, and of all."""
    of = dict(index.database.rows("SELECT id, document_id FROM passages"))
    ranks: list[tuple[bool, int]] = []
    for question, document, held_out in asked:
        found = list(dict.fromkeys(of[hit.passage.id] for hit in index.search(question, 10)))
        ranks.append((held_out, found.index(document) + 1 if document in found else 0))
    parts = {
        "tuned on": [rank for held_out, rank in ranks if not held_out],
        "held out": [rank for held_out, rank in ranks if held_out],
        "all": [rank for _, rank in ranks],
    }
    return {
        name: {
            "questions": len(part),
            "r1": sum(rank == 1 for rank in part) / len(part),
            "r1_half_width": half_width(sum(rank == 1 for rank in part), len(part)),
            "r5": sum(0 < rank <= 5 for rank in part) / len(part),
        }
        for name, part in parts.items()
    }


def half_width(hits: int, asked: int) -> float:
    """Half of the 95 % interval of a share (Wilson)."""
    share, z = hits / asked, 1.96
    return z * math.sqrt(share * (1 - share) / asked + z * z / (4 * asked * asked)) / (1 + z * z / asked)


def timed(articles: list[dict], passages: int, asked: int, work: Path | None) -> dict[str, float]:
    """Builds the large index on disk and asks it one question after another."""
    rng = random.Random(6)
    questions = [q["question"] for article in articles for part in article["paragraphs"] for q in part["qas"]]
    with tempfile.TemporaryDirectory(prefix="localfin-bench-", dir=work) as folder:
        path = Path(folder, "localfin.db")
        started = time.perf_counter()
        with Database(path) as database:
            index, letters, n_passages = Index(database), 0, 0
            every = islice(changed(articles, rng), passages)
            while pieces := list(islice(every, 100)):
                index.enter(title_of(rng.choice(articles)), pieces)
                letters += sum(len(piece.text) for piece in pieces)
                n_passages += len(pieces)
        built = time.perf_counter() - started
        with Database(path) as database:
            documents, times, processor = Documents(database), list[float](), list[float]()
            for question in rng.sample(questions, asked):
                began, cpu_began = time.perf_counter(), time.process_time()
                documents.search(question)
                times.append((time.perf_counter() - began) * 1000)
                processor.append((time.process_time() - cpu_began) * 1000)
        size = path.stat().st_size
    return {
        "passages": n_passages, "letters": letters, "megabytes": size / 1e6, "passages_per_s": n_passages / built,
        "asked": asked, "median_ms": statistics.median(times), "p95_ms": statistics.quantiles(times, n=20)[-1],
        "cpu_median_ms": statistics.median(processor), "cpu_p95_ms": statistics.quantiles(processor, n=20)[-1],
    }  # fmt: skip


def changed(articles: list[dict], rng: random.Random) -> Iterator[Piece]:
    """The paragraphs as they are, then with half of their Hangul words exchanged, again and again."""
    texts = [paragraph["context"] for article in articles for paragraph in article["paragraphs"]]
    pool = [word for text in texts for word in _WORD.findall(text)]

    def exchanged(match: re.Match[str]) -> str:
        return rng.choice(pool) if rng.random() < 0.5 else match[0]

    yield from (piece for text in texts for piece in cut([Block("text", text)]))
    while True:
        for text in texts:
            yield from cut([Block("text", _WORD.sub(exchanged, text))])


def title_of(article: dict) -> str:
    return str(article["title"]).replace("_", " ")


def table(found: dict[str, dict[str, dict[str, float]]]) -> str:
    lines = ["| | questions | R@1 | R@5 |", "| --- | --- | --- | --- |"]
    for name, parts in found.items():
        for part, row in parts.items():
            first = f"{row['r1']:.3f} ± {row['r1_half_width']:.3f}"
            lines.append(f"| {name}, {part} | {row['questions']:,} | {first} | {row['r5']:.3f} |")
    return "\n".join(lines) + "\n"


def speed_table(speed: dict[str, float]) -> str:
    return (
        "| passages | letters | database | indexed | questions | median | 95 % |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
        f"| {speed['passages']:,} | {speed['letters'] / 1e6:.1f} M | {speed['megabytes']:,.0f} MB"
        f" | {speed['passages_per_s']:,.0f} passages/s | {speed['asked']:,} | {speed['median_ms']:.1f} ms"
        f" (processor {speed['cpu_median_ms']:.1f})"
        f" | {speed['p95_ms']:.1f} ms (processor {speed['cpu_p95_ms']:.1f}) |\n"
    )


if __name__ == "__main__":
    main()
