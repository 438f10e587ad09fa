"""A checkpoint folder's tokenizer as the `tokenizer.*` keys of a GGUF, equal to those of llama.cpp's converter.

The choice of the three kinds follows the families' files in `conversion/` of llama.cpp:

    tokenizer.model                        SentencePiece: pieces, scores, types
    tokenizer.json, BPE + byte fallback    the same in Hugging Face's form (Llama and Mistral only)
    tokenizer.json, byte-level BPE         GPT-2's kind: tokens, types, merges and a known pre-tokenizer

Gemma has the first kind alone, EXAONE and Qwen3-MoE the last alone; Phi-3 the first, Phi-4 the last.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localfin_convert.keys import Key
from localfin_convert.vocabulary import byte_level, fallback_bpe, sentencepiece_model
from localfin_convert.vocabulary.files import TokenizerFiles, open_tokenizer_files
from localfin_convert.vocabulary.key_list import KeyList
from localfin_convert.vocabulary.pieces import Pieces
from localfin_convert.vocabulary.pretokenizers import PRETOKENIZERS
from localfin_convert.vocabulary.special import TOKEN_KINDS, SpecialTokens, read_special_tokens
from localfin_convert.vocabulary.templates import add_template
from localfin_models.errors import InputRefused
from localfin_models.language import _

LLAMA_SHAPED = ("llama", "mistral")
QWEN = ("qwen2", "qwen3")
GEMMA = ("gemma2", "gemma3")
BYTE_LEVEL = ("exaone", "exaone4", "qwen3moe")
PHI = ("phi3",)
DEFAULT_SIZES = {
    "llama": 32000, "mistral": 32000, "qwen2": 151936, "qwen3": 151936, "qwen3moe": 151936, "gemma2": 256000,
    "gemma3": 262208, "exaone4": 102400, "phi3": 32064,
}  # fmt: skip
"""transformers' vocab_size where config.json has none."""
GPT2 = "GPT2Tokenizer"
"""The `tokenizer_class` by which the converter tells Phi-4 from Phi-3."""
MAX_VOCABULARY = 1 << 22
CODE_LLAMA_VOCABULARY = 32016
CODE_LLAMA_EOT = 32010
GRANITE_VOCABULARY = 49152


def vocabulary_keys(
    folder: Path,
    config: Mapping[str, Any],
    architecture: str,
    *,
    pretokenizers: Mapping[str, str] = PRETOKENIZERS,
) -> list[Key]:
    """The `tokenizer.*` keys of the model in `folder`, in the order of the file.

    `config` is the folder's config.json, `architecture` llama.cpp's name of the family. `pretokenizers` maps the
    fingerprint of a byte-level BPE to llama.cpp's name of its pre-tokenizer.
    Raises InputRefused, naming the file, for a tokenizer that is missing, damaged, unknown or larger than the model.
    """
    vocab_size = _vocab_size(config, architecture)
    files = open_tokenizer_files(folder, str(config.get("model_type", architecture)))
    keys = KeyList()
    if architecture in LLAMA_SHAPED:
        _add_llama_keys(keys, files, config, vocab_size, pretokenizers)
    elif architecture in QWEN:
        pieces = sentencepiece_model.read_pieces(files, vocab_size)
        _add_vocabulary(keys, files, config, pieces or byte_level.read_pieces(files, vocab_size, pretokenizers))
    elif architecture in GEMMA:
        _add_vocabulary(keys, files, config, _sentencepiece(files, vocab_size))
        keys.add_bool("tokenizer.ggml.add_space_prefix", False, "")
    elif architecture in BYTE_LEVEL or (architecture in PHI and (files.config or {}).get("tokenizer_class") == GPT2):
        _add_vocabulary(keys, files, config, byte_level.read_pieces(files, vocab_size, pretokenizers))
    elif architecture in PHI:
        pieces = _sentencepiece(files, vocab_size)
        sentencepiece_model.mark_added(pieces, files)
        _add_vocabulary(keys, files, config, pieces)
    else:
        known = ", ".join(LLAMA_SHAPED + QWEN + GEMMA + BYTE_LEVEL + PHI)
        raise InputRefused(_("no tokenizer rules for architecture {name}; known: {known}").format(
            name=architecture, known=known))  # fmt: skip
    return keys.finish()


def _add_llama_keys(
    keys: KeyList, files: TokenizerFiles, config: Mapping[str, Any], vocab_size: int, pretokenizers: Mapping[str, str]
) -> None:
    if files.tekken and files.tokenizer is None:
        raise InputRefused(
            _("{folder} has only Mistral's tekken.json; add the tokenizer.json of the same model").format(
                folder=files.folder.name
            )
        )
    prefix = (files.config or {}).get("add_prefix_space")
    if prefix is not None:
        keys.add_bool("tokenizer.ggml.add_space_prefix", prefix, files.name("tokenizer_config.json"))
    pieces = sentencepiece_model.read_pieces(files, vocab_size) or fallback_bpe.read_pieces(files, vocab_size)
    _add_vocabulary(keys, files, config, pieces or byte_level.read_pieces(files, vocab_size, pretokenizers))
    if vocab_size == CODE_LLAMA_VOCABULARY:
        infill = read_special_tokens(files, config, kinds=("prefix", "suffix", "middle", "eot"), limit=None)
        infill.ids.setdefault("eot", CODE_LLAMA_EOT)
        _add_special(keys, infill, merges=[])
    if vocab_size == GRANITE_VOCABULARY:
        keys.add_bool("tokenizer.ggml.add_bos_token", False, "")


def _sentencepiece(files: TokenizerFiles, vocab_size: int) -> Pieces:
    pieces = sentencepiece_model.read_pieces(files, vocab_size)
    if pieces is None:
        raise InputRefused(
            _("{folder} has no tokenizer.model, which models of this family need").format(folder=files.folder.name)
        )
    return pieces


def _add_vocabulary(keys: KeyList, files: TokenizerFiles, config: Mapping[str, Any], pieces: Pieces) -> None:
    keys.add_string("tokenizer.ggml.model", pieces.model)
    keys.add_string("tokenizer.ggml.pre", pieces.pretokenizer)
    keys.add_strings("tokenizer.ggml.tokens", pieces.tokens)
    keys.add_floats("tokenizer.ggml.scores", pieces.scores)
    keys.add_ints("tokenizer.ggml.token_type", pieces.types)
    limit = len(pieces.tokens) if pieces.model == "llama" else None
    _add_special(keys, read_special_tokens(files, config, kinds=TOKEN_KINDS, limit=limit), pieces.merges)


def _add_special(keys: KeyList, special: SpecialTokens, merges: list[str]) -> None:
    keys.add_strings("tokenizer.ggml.merges", merges)
    for kind, token_id in special.ids.items():
        keys.add_token_id(kind, token_id)
    for kind, value in special.added.items():
        keys.add_added(kind, value)
    add_template(keys, special.template)
    for name, flag in special.normalizer.items():
        keys.add_bool(f"tokenizer.ggml.normalizer.{name}", flag, "tokenizer.json")


def _vocab_size(config: Mapping[str, Any], architecture: str) -> int:
    size = config.get("vocab_size", DEFAULT_SIZES.get(architecture))
    if not isinstance(size, int) or isinstance(size, bool) or not 0 < size <= MAX_VOCABULARY:
        raise InputRefused(_("config.json: vocab_size must be a number from 1 to {most}").format(most=MAX_VOCABULARY))
    return size
