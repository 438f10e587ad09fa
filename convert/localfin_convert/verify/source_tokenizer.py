"""The tokenizer that a checkpoint brings, as its own library runs it: what the converted one is compared with.

`tokenizers` runs a whole tokenizer.json, as training does; without one, `sentencepiece` runs tokenizer.model.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

from tokenizers import Tokenizer

from localfin_convert.vocabulary.backend import load_backend, named_entries, special_tokens
from localfin_convert.vocabulary.files import TokenizerFiles, open_tokenizer_files
from localfin_convert.vocabulary.name import stripping_tokens
from localfin_convert.vocabulary.sentencepiece_model import load_processor
from localfin_convert.vocabulary.special import token_content
from localfin_convert.vocabulary.templates import default_template, read_chat_template

Around = tuple[list[int], list[int]]
"""Token ids that are put in front of a text and behind it."""


class SourceTokenizer(ABC):
    library: ClassVar[str]
    added: Mapping[str, int]
    """Added and special tokens by their text: found whole wherever they stand."""

    def __init__(self, files: TokenizerFiles) -> None:
        self.files = files
        self._named = named_entries(files)
        self._strips = stripping_tokens(files)

    @property
    def has_scores(self) -> bool:
        """Whether llama.cpp can know the order of the merges: not where byte fallback comes in tokenizer.json alone."""
        model = (self.files.tokenizer or {}).get("model")
        return self.files.sentencepiece is not None or not (isinstance(model, dict) and model.get("byte_fallback"))

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Without the tokens around a text; added tokens spelled in it are read as such."""

    @abstractmethod
    def decode(self, tokens: Sequence[int]) -> str: ...

    @abstractmethod
    def id_of(self, token: str) -> int | None: ...

    @abstractmethod
    def normalized(self, part: str) -> str:
        """What the normalizer makes of a text without added tokens before it is split; `▁` may stand for spaces."""

    @abstractmethod
    def around(self) -> Around | None:
        """None where the files leave it to the tokenizer's class."""

    def apart(self, text: str) -> list[int]:
        """As if every part between added tokens were a text of its own."""
        tokens = list[int]()
        for part in self._parts(text):
            tokens += [self.added[part]] if part in self.added else self.encode(part)
        return tokens

    def rewritten(self, text: str) -> str:
        """The text that a tokenizer without a normalizer would have to be given; no space is put in front."""
        return "".join(
            part if part in self.added else self.normalized(part).replace("▁", " ").removeprefix(" ")
            for part in self._parts(text)
        )

    def named(self, kind: str) -> str | None:
        """The text of the `bos` or `eos` token, empty where there shall be none; None where the files do not say."""
        key = f"{kind}_token"
        return (token_content(self._named[key]) or "") if key in self._named else None

    def template(self) -> str:
        """The folder's chat template; empty where it has none."""
        return default_template(read_chat_template(self.files))

    def _parts(self, text: str) -> list[str]:
        longest_first = sorted(filter(None, self.added), key=len, reverse=True)
        parts = re.split(f"({'|'.join(map(re.escape, longest_first))})", text) if longest_first else [text]
        stripped = (part.lstrip() if before in self._strips else part for before, part in pairwise(("", *parts)))
        return [part for part in stripped if part]

    def _flags(self) -> Around | None:
        """What `add_bos_token` and `add_eos_token` say; None where neither is there."""
        flags = [(self.files.config or {}).get(f"add_{kind}_token") for kind in ("bos", "eos")]
        if not any(isinstance(flag, bool) for flag in flags):
            return None
        ids = [self.id_of(self.named(kind) or "") for kind in ("bos", "eos")]
        before, after = ([token] if flag and token is not None else [] for flag, token in zip(flags, ids, strict=True))
        return before, after


def open_source_tokenizer(folder: Path, architecture: str) -> SourceTokenizer:
    """`architecture`: config.json's model_type. Raises InputRefused for a damaged tokenizer."""
    files = open_tokenizer_files(folder, architecture)
    whole = isinstance((files.tokenizer or {}).get("model"), dict)
    return _FromJson(files) if whole else _FromModel(files)


class _FromJson(SourceTokenizer):
    library = "tokenizers"

    def __init__(self, files: TokenizerFiles) -> None:
        super().__init__(files)
        self._tokenizer: Tokenizer = load_backend(files)
        added = self._tokenizer.get_added_tokens_decoder()
        self.added = {token.content: token_id for token_id, token in added.items()}

    def encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=False))

    def id_of(self, token: str) -> int | None:
        return self._tokenizer.token_to_id(token)

    def normalized(self, part: str) -> str:
        normalizer = self._tokenizer.normalizer
        return part if normalizer is None else str(normalizer.normalize_str(part))

    def around(self) -> Around | None:
        if self._tokenizer.post_processor is None:
            return self._flags()
        text = "a"
        plain, whole = self.encode(text), list(self._tokenizer.encode(text).ids)
        start = next(at for at in range(len(whole)) if whole[at : at + len(plain)] == plain)
        return whole[:start], whole[start + len(plain) :]


class _FromModel(SourceTokenizer):
    """As transformers' own class for such a model does it: every part between added tokens is a text of its own."""

    library = "sentencepiece"

    def __init__(self, files: TokenizerFiles) -> None:
        super().__init__(files)
        self._processor: Any = load_processor(files)
        size = int(self._processor.vocab_size())
        control = {self._piece(token): token for token in range(size) if self._processor.is_control(token)}
        named = {text: token for text in special_tokens(files) if (token := self.id_of(text)) is not None}
        decoder = {str(entry["content"]): token for token, entry in (files.added_decoder or {}).items()}
        in_json = {str(entry["content"]): int(entry["id"]) for entry in files.added_tokens}
        self.added = control | named | in_json | dict(files.added_ids) | decoder

    def encode(self, text: str) -> list[int]:
        parts = self._parts(text)
        if parts == [text] and text not in self.added:
            return [int(token) for token in self._processor.encode(text)]
        return self.apart(text)

    def decode(self, tokens: Sequence[int]) -> str:
        return str(self._processor.decode(list(tokens)))

    def id_of(self, token: str) -> int | None:
        found = int(self._processor.piece_to_id(token))
        return found if self._piece(found) == token else None

    def normalized(self, part: str) -> str:
        return str(self._processor.normalize(part))

    def around(self) -> Around:
        before, after = self._flags() or ([], [])
        bos = self.id_of(self.named("bos") or "")
        flagged = isinstance((self.files.config or {}).get("add_bos_token"), bool)
        return (before if flagged or bos is None else [bos]), after

    def _piece(self, token: int) -> str:
        return str(self._processor.id_to_piece(token))
