"""Answers with evidence: unverified quotes over 500 answers each, and how well the bounds of a match tell.

    python benchmarks/answers.py --data FOLDER [--questions 400]

`FOLDER` holds `KorQuAD_v1.0_dev.json`. Writes `results/answers.md`.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

TOP = Path(__file__).parents[1]
sys.path[:0] = [str(TOP / name) for name in ("localfin", "models", "")]

from tests.localfin.answers.inventing import invented, unverified  # noqa: E402

from localfin import Assistant, LoadOptions  # noqa: E402
from localfin.answers.events import Source  # noqa: E402
from localfin.answers.evidence import ENOUGH, ENOUGH_NAMED  # noqa: E402
from localfin.answers.leading import from_passages  # noqa: E402
from localfin.answers.matching import asked_for, coverage  # noqa: E402
from localfin.documents import Hit, Index, Piece  # noqa: E402
from localfin.engine.fake import FakeEngine  # noqa: E402
from localfin.store import Database  # noqa: E402

ANSWERS = 500
BOUNDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
SEED = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--questions", type=int, default=400)
    chosen = parser.parse_args()
    articles = json.loads((chosen.data / "KorQuAD_v1.0_dev.json").read_text("utf-8"))["data"]
    lines = ["# answers.py", "", *quotes(articles), "", *bounds(articles, chosen.questions), "", *handbook()]
    (TOP / "benchmarks" / "results" / "answers.md").write_text("\n".join(lines) + "\n", "utf-8")
    print("\n".join(lines))


def quotes(articles: list[dict]) -> Iterator[str]:
    """500 answers of the starter and 500 of the scripted engine that invents, about 50 paragraphs."""
    yield "| answers | of | unverified quotes or citations | citations shown | taken out | without evidence | ms each |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    draw = random.Random(SEED)
    paragraphs = draw.sample([(a["title"], p) for a in articles for p in a["paragraphs"]], 50)
    questions = [row.split("\t")[1] for row in _handbook_rows()]
    asked = draw.sample([qa["question"] for _title, p in paragraphs for qa in p["qas"]], 250)
    asked += draw.sample(questions, ANSWERS - len(asked))
    with tempfile.TemporaryDirectory() as folder:
        for at, (title, paragraph) in enumerate(paragraphs):
            (Path(folder) / f"{at}.md").write_text(f"# {title}\n\n{paragraph['context']}", "utf-8")
        with Assistant(None, LoadOptions(threads=2)) as assistant:
            assistant.documents.add([Path(folder)])
            yield _counted("the starter", assistant, asked)
        model = Path(folder) / "model.gguf"
        model.write_bytes(b"")
        texts = [paragraph["context"] for _title, paragraph in paragraphs]
        engine = FakeEngine([invented(texts, seed) for seed in range(ANSWERS)])
        with Assistant(model, engine=engine) as assistant:
            assistant.documents.add([Path(folder)])
            yield _counted("a scripted engine that invents", assistant, asked)


def _counted(name: str, assistant: Assistant, asked: list[str]) -> str:
    wrong = shown = removed = bare = 0
    begun = time.perf_counter()
    for question in asked:
        answer = assistant.ask(question)
        wrong += len(unverified(answer, question))
        shown += len(answer.citations)
        removed += len(answer.removed)
        bare += answer.basis in ("nothing", "model")
    each = 1000 * (time.perf_counter() - begun) / len(asked)
    return f"| {len(asked)} | {name} | {wrong} | {shown} | {removed} | {bare} | {each:.0f} |"


def bounds(articles: list[dict], count: int) -> Iterator[str]:
    """How many questions find a passage that matches, with their paragraph in the index and without it."""
    draw = random.Random(SEED)
    index, asked = _index(articles)
    rows = draw.sample(asked, count)
    right: list[float] = []
    without: list[float] = []
    elsewhere: list[float] = []
    first = quoted = 0
    for question, context, title, answers in rows:
        hits = index.search(question, 60)
        first += bool(hits) and hits[0].passage.text == context
        sources = [Source(1, hit.passage, _match(question, hit)) for hit in hits[:8]]
        matching = [source for source in sources if source.match >= ENOUGH]
        quoted += bool(matching) and any(each in from_passages(question, matching).text for each in answers)
        right.append(_best(question, hits[:8]))
        without.append(_best(question, [hit for hit in hits[:9] if hit.passage.text != context]))
        elsewhere.append(_best(question, [hit for hit in hits if hit.passage.title != title][:8]))
    yield f"KorQuAD dev, {count} questions, 964 paragraphs: R@1 {first / count:.3f}; the quotes shown without a model"
    yield f"hold the answer for {quoted / count:.3f}. Bound for all documents {ENOUGH}, for named ones {ENOUGH_NAMED}."
    yield ""
    yield "| bound | answered | its paragraph removed | its article removed | named article | named, foreign question |"
    yield "| --- | --- | --- | --- | --- | --- |"
    own, foreign = _named(articles, draw)
    for bound in BOUNDS:
        shares = [
            sum(each >= bound for each in group) / len(group) for group in (right, without, elsewhere, own, foreign)
        ]
        yield f"| {bound} | " + " | ".join(f"{share:.3f}" for share in shares) + " |"


def _named(articles: list[dict], draw: random.Random) -> tuple[list[float], list[float]]:
    """One article as the named document: its own questions, and those of others."""
    own: list[float] = []
    foreign: list[float] = []
    every = [qa["question"] for article in articles for p in article["paragraphs"] for qa in p["qas"]]
    for article in draw.sample(articles, 60):
        index, asked = _index([article])
        own += [_best(row[0], index.search(row[0], 8)) for row in draw.sample(asked, min(5, len(asked)))]
        foreign += [_best(question, index.search(question, 8)) for question in draw.sample(every, 5)]
    return own, foreign


def handbook() -> Iterator[str]:
    """The handbook's questions to the starter with no document added; those that it is not meant for name no entry."""
    rows = _handbook_rows()
    with Assistant(None, LoadOptions(threads=2)) as assistant:
        answered = [(row.split("\t")[0], assistant.ask(row.split("\t")[1]).basis) for row in rows]
    meant = [basis for name, basis in answered if name != "-"]
    none = [basis for name, basis in answered if name == "-"]
    share = sum(basis != "nothing" for basis in meant) / len(meant)
    wrong = sum(basis != "nothing" for basis in none) / len(none)
    yield f"Of {len(meant)} questions that the handbook is meant for, {share:.3f} get an answer;"
    yield f"of {len(none)} that it is not meant for, {wrong:.3f}."


def _handbook_rows() -> list[str]:
    text = (TOP / "tests" / "localfin" / "handbook_questions.tsv").read_text("utf-8")
    return [line for line in text.splitlines() if "\t" in line and not line.startswith("#")]


def _index(articles: list[dict]) -> tuple[Index, list[tuple[str, str, str, list[str]]]]:
    database = Database(None)
    index = Index(database)
    asked: list[tuple[str, str, str, list[str]]] = []
    with database.writing():
        for article in articles:
            for paragraph in article["paragraphs"]:
                key = database.insert(
                    "INSERT INTO documents (path, title, sha256, size, mtime_ns, added, state)"
                    " VALUES (?, ?, '', 0, 0, '', 'ready')",
                    f"{article['title']}/{len(asked)}", article["title"],
                )  # fmt: skip
                index.put(key, article["title"], None, [Piece(paragraph["context"])])
                for qa in paragraph["qas"]:
                    answers = [answer["text"] for answer in qa["answers"]]
                    asked.append((qa["question"], paragraph["context"], article["title"], answers))
    return index, asked


def _match(question: str, hit: Hit) -> float:
    return coverage(asked_for(question), f"{hit.passage.title}\n{hit.passage.heading}\n{hit.passage.text}")


def _best(question: str, hits: list[Hit]) -> float:
    return max((_match(question, hit) for hit in hits), default=0.0)


if __name__ == "__main__":
    main()
