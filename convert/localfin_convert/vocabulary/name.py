"""The name under which llama.cpp splits texts as the source does.

llama.cpp knows of no flags of a token. That blanks behind special tokens belong to them, as in Phi-3, it takes from the
model's name: whether `phi-3` or `phi3` stands in `general.name` (`src/llama-vocab.cpp`). So a file's name, from which
that key is made, must neither bring it about in another model, where loading may even fail, nor leave it out.
"""

import re
from collections.abc import Collection

from localfin_convert.vocabulary.files import TokenizerFiles

_SAYS_SO = re.compile(r"(phi)-?(3)", re.IGNORECASE | re.ASCII)
_PLAIN = {"<unk>", "<s>", "<|endoftext|>"}
"""Special tokens behind which llama.cpp leaves blanks alone even then."""
_LOOKED_UP = {"</s>", *_PLAIN}
"""It does not load a model of that name without them."""


def stripping_tokens(files: TokenizerFiles) -> set[str]:
    """The special tokens to which the source counts the blanks behind them."""
    added = (*files.added_tokens, *(files.added_decoder or {}).values())
    return {str(token["content"]) for token in added if token.get("rstrip") and token.get("special")}


def model_name(name: str, files: TokenizerFiles, tokens: Collection[str]) -> str:
    """`name` as it may stand in `general.name` of a model with this vocabulary."""
    if stripping_tokens(files) - _PLAIN and set(tokens) >= _LOOKED_UP:
        return name if _SAYS_SO.search(name) else f"{name} (phi-3)"
    return _SAYS_SO.sub(r"\1 \2", name)
