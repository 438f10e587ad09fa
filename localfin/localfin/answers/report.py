"""An answer as one JSON object: what `localfin ask --json` prints."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from localfin.answers.events import Citation, MakeUp, Source
from localfin.calc.wording import plain
from localfin.computed import Computed
from localfin.documents.passage import Passage
from localfin.engine.events import ModelInfo, Usage

if TYPE_CHECKING:
    from localfin.assistant import Answer


def report(answer: "Answer") -> dict[str, Any]:
    """`passages[n].text[start:end]` is the quote of a citation of that number; `answer[at:]` begins with its mark."""
    return {
        "answer": answer.text,
        "basis": answer.basis,
        "citations": [_citation(citation) for citation in answer.citations],
        "calculations": [calculation(computed) for computed in answer.computed],
        "marked_figures": [{"text": m.text, "start": m.start, "end": m.end} for m in answer.marked],
        "removed": [{"what": removed.what, "text": removed.text} for removed in answer.removed],
        "notes": list(answer.notes),
        "passages": [_source(source) for source in answer.sources],
        "prompt": _make_up(answer.make_up),
        "model": _model(answer.model),
        "usage": _usage(answer.usage),
        "finish_reason": answer.finish_reason,
    }


def calculation(computed: Computed) -> dict[str, Any]:
    """Amounts as text, so that no digit is lost."""
    values = {key: plain(value) if isinstance(value, Decimal) else value for key, value in computed.values.items()}
    return {
        "calculator": computed.name, "call": computed.call, "values": values, "text": computed.text,
        "formula": computed.formula, "source": computed.source,
    }  # fmt: skip


def _citation(citation: Citation) -> dict[str, Any]:
    where = _where(citation.source.passage)
    span = {"quote": citation.quote, "start": citation.start, "end": citation.end, "at": citation.at}
    return {"number": citation.source.number, **where, **span}


def _source(source: Source) -> dict[str, Any]:
    where = _where(source.passage)
    return {"number": source.number, **where, "match": round(source.match, 3), "text": source.passage.text}


def _where(passage: Passage) -> dict[str, Any]:
    """`document` is the file's path; an entry of the handbook has none."""
    return {
        "document": str(passage.document) if passage.document else None,
        "handbook": passage.document is None,
        "title": passage.title,
        "heading": passage.heading,
        "page": passage.page,
        "sheet": passage.sheet,
        "cells": passage.cells,
    }


def _make_up(make_up: MakeUp | None) -> dict[str, Any] | None:
    if make_up is None:
        return None
    names = ("context", "reserved", "system", "documents", "history", "question")
    dropped = [{"what": each.what, "text": each.text, "tokens": each.tokens} for each in make_up.dropped]
    return {**{name: getattr(make_up, name) for name in names}, "dropped": dropped}


def _model(info: ModelInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "path": str(info.path),
        "sha256": info.sha256,
        "quantization": info.quantization,
        "adapters": [
            {"name": adapter.name, "path": str(adapter.path), "sha256": adapter.sha256, "scale": adapter.scale}
            for adapter in info.adapters
        ],
    }


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "prefill_s": round(usage.prefill_s, 4),
        "decode_tokens_per_s": round(usage.decode_tokens_per_s, 2),
        "load_s": round(usage.load_s, 4),
        "shifted_tokens": usage.shifted_tokens,
    }
