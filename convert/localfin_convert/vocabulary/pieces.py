"""What every kind of vocabulary comes to: one text, score and type for each token id."""

from dataclasses import dataclass, field

from gguf import TokenType


@dataclass(frozen=True, slots=True)
class Pieces:
    model: str
    """`llama` (SentencePiece) or `gpt2` (byte-level BPE): llama.cpp's names of the two algorithms."""
    pretokenizer: str
    tokens: list[str]
    scores: list[float]
    """Log probabilities of a SentencePiece model; empty for `gpt2`."""
    types: list[TokenType]
    merges: list[str] = field(default_factory=list)


def padding(token_id: int) -> str:
    """The text of an id that the model has an embedding for and the tokenizer does not know."""
    return f"[PAD{token_id}]"


def looks_special(token: str) -> bool:
    """Whether a token is a control token by its looks: some models ship these without the mark `special`."""
    return (
        token in ("<pad>", "<mask>", "<2mass>", "[@BOS@]")
        or (token.startswith("<|") and token.endswith("|>"))
        or (token.startswith("<｜") and token.endswith("｜>"))
        or (token.startswith("<unused") and token.endswith(">"))
    )


def plain_spaces(token: str) -> str:
    """A user-defined token with SentencePiece's `▁` as a space: llama.cpp matches these in the text itself."""
    return token.replace("▁", " ")
