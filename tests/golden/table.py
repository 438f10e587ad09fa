"""Writes the table of architectures and adapters into the documents, from the goldens of the grid.

python -m tests.golden.table
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.golden.cases import Vocabulary
from tests.golden.grid import COLUMNS, ROWS, Cell, Row
from tests.golden.record import load_cells
from tests.golden.variants import VARIANTS

CELLS = Path(__file__).parent / "cells"
DOCS = Path(__file__).parents[2] / "docs"
BEGIN, END = "<!-- table: python -m tests.golden.table -->", "<!-- end of table -->"
_TYPES = {"q4_k_m": "q4", "bf16": "16"}


@dataclass(frozen=True, slots=True)
class Words:
    """What the table says in one language."""

    head: tuple[str, str, str, str]
    columns: Mapping[str, str]
    rows: Mapping[str, str]
    """Names of rows, where they differ from the grid's."""
    vocabularies: Mapping[Vocabulary, str]
    refused: str
    caption: str
    also: str
    """The head of the variants' column."""
    differences: Mapping[str, str]
    """Of variants, where they differ from the variants' own words."""


_ENGLISH = Words(
    head=("Architecture", "As in", "Vocabulary", "Whole"),
    columns={
        "lora": "LoRA",
        "patterns": "rsLoRA, patterns",
        "dora": "DoRA",
        "saved": "`modules_to_save`",
        "embedding": "embedding LoRA",
        "tokens": "token indices",
        "added": "added tokens",
        "bias": "bias `all`",
        "lora-bias": "bias `lora_only`",
        "layers": "some layers",
        "several": "several, weighted",
        "fan": "`fan_in_fan_out`",
        "experts": "fused experts",
        "single-experts": "single experts",
        "loha": "LoHa",
    },
    rows={},
    vocabularies={
        "llama-spm": "Llama 2",
        "llama-spm-json-ko": "Llama 2 and Korean words",
        "llama-bpe": "Llama 3",
        "llama-bpe-ko": "Llama 3 and Korean words",
        "tekken": "tekken",
        "qwen2": "Qwen2",
        "gpt-2": "GPT-2",
        "deepseek-llm": "DeepSeek LLM",
    },
    refused="refused¹",
    caption="{tested} cells, each converted by a test and compared with the usual tools' file.",
    also="Also, without an adapter, as `q4_k_m`",
    differences={},
)
_KOREAN = Words(
    head=("구조", "해당 모델", "어휘", "전체"),
    columns=_ENGLISH.columns
    | {
        "patterns": "rsLoRA, 패턴",
        "embedding": "임베딩 LoRA",
        "tokens": "토큰 인덱스",
        "added": "추가 토큰",
        "layers": "일부 층",
        "several": "여러 개, 가중치",
        "experts": "합친 전문가",
        "single-experts": "낱낱의 전문가",
    },
    rows={
        "llama-2-ko": "Llama 2, tokenizer.json의 BPE",
        "bllossom": "Llama 3, 확장 어휘",
        "gemma-3": "Gemma 3(텍스트)",
    },
    vocabularies=_ENGLISH.vocabularies
    | {"llama-spm-json-ko": "Llama 2와 한국어 단어", "llama-bpe-ko": "Llama 3와 한국어 단어"},
    refused="거절¹",
    caption="칸 {tested}개를 하나하나 변환해 기존 도구들이 만든 파일과 비교하는 테스트가 있습니다.",
    also="어댑터 없이 `q4_k_m`으로도 확인한 설정",
    differences={
        "llama-2/70b": "80층, 그룹 헤드",
        "llama-2/65b": "80층, 그룹 없는 헤드",
        "llama-3.1/saved": "transformers 5가 저장한 형태",
        "deepseek-llm/67b": "그룹 헤드",
        "mixtral/saved": "transformers 5가 저장한 형태",
        "qwen2/7b": "따로 된 헤드",
        "qwen2.5/72b": "80층",
        "qwen3/32b": "따로 된 헤드, yarn",
        "gemma-3/saved": "transformers 5가 저장한 형태",
        "gemma-3/linear": "같은 형태에 선형 스케일링",
        "gemma-3/apart": "theta 없이 나뉜 rope",
        "phi-3/4k": "longrope 없음, `sliding_window: 2047`",
        "phi-3/su": "longrope의 첫 이름 `su`",
        "phi-3/medium": "그룹 헤드",
        "phi-4-mini/saved": "rope 안의 `partial_rotary_factor`",
        "exaone-3.5/3.0": "rope 스케일링 없음, 따로 된 헤드",
        "exaone-3.5/7.8b": "따로 된 헤드",
        "exaone-3.5/plain": "`head_dim` 없음",
        "exaone-4/1.2b": "`sliding_window: null`, 묶인 헤드",
        "exaone-4/pattern": "숫자로 된 패턴",
    },
)
LANGUAGES = {"en": _ENGLISH, "ko": _KOREAN}


def main() -> None:
    for language in LANGUAGES:
        path = DOCS / language / "adapters.md"
        before, _begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
        _old, _end, after = rest.partition(END)
        path.write_text(f"{before}{BEGIN}\n{table(language)}\n{END}{after}", encoding="utf-8")
        print(path)


def table(language: str) -> str:
    """The table with its caption, in Markdown."""
    words = LANGUAGES[language]
    head = [*words.head, *(words.columns[column.key] for column in COLUMNS)]
    body = [_line(row, words) for row in ROWS]
    tested = sum(text.startswith("✓ ") or text == words.refused for line in body for text in line)
    grid = _markdown([head, ["---"] * 3 + [":-:"] * (len(head) - 3), *body])
    return f"{words.caption.format(tested=tested)}\n\n{grid}\n\n{_variants(words)}"


def _variants(words: Words) -> str:
    """What else was compared of each row's configuration."""
    body: list[list[str]] = []
    for row in ROWS:
        own = [variant for variant in VARIANTS if variant.key.startswith(f"{row.key}/")]
        texts = [words.differences.get(variant.key, variant.difference) for variant in own]
        if texts:
            body.append([words.rows.get(row.key, row.name), "; ".join(texts)])
    return _markdown([[words.head[0], words.also], ["---", "---"], *body])


def _markdown(lines: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _line(row: Row, words: Words) -> list[str]:
    marks = ("†" if row.pretokenizer else "") + ("‡" if row.whose == "other" else "")
    made = load_cells(CELLS / f"{row.key}.json")
    whole = "✓" if row.whole else "–"
    name = words.rows.get(row.key, row.name)
    return [name, row.models, words.vocabularies[row.case.vocabulary] + marks, whole, *_cells(row, set(made), words)]


def _cells(row: Row, made: set[str], words: Words) -> list[str]:
    texts: list[str] = []
    for column in COLUMNS:
        cell = Cell(row, column)
        if not column.exists(row):
            texts.append("–")
        elif cell.refusal is not None:
            texts.append(words.refused)
        else:
            texts.append(f"✓ {_TYPES[cell.quantization]}" if column.key in made else "?")
    return texts


if __name__ == "__main__":
    main()
