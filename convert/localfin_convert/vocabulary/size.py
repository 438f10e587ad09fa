"""How many tokens a folder's tokenizer knows: enough to tell which of two vocabularies is the larger one."""

from pathlib import Path

from localfin_convert.vocabulary.files import TokenizerFiles, damaged, open_tokenizer_files
from localfin_convert.vocabulary.sentencepiece_model import piece_count
from localfin_models.language import _


def token_count(folder: Path, architecture: str) -> int:
    """The highest token id and one; 0 where the folder has no tokenizer. Raises InputRefused for a damaged one."""
    if not any((folder / name).is_file() for name in ("tokenizer.model", "tokenizer.json")):
        return 0
    files = open_tokenizer_files(folder, architecture)
    ids = [token["id"] for token in files.added_tokens] + [*files.added_ids.values(), *(files.added_decoder or {})]
    return max(_listed(files), piece_count(files), *(int(token_id) + 1 for token_id in ids))


def _listed(files: TokenizerFiles) -> int:
    """Tokens of tokenizer.json's own vocabulary: an object of ids, or Unigram's list of pairs."""
    model = (files.tokenizer or {}).get("model") or {}
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if vocabulary is not None and not isinstance(vocabulary, dict | list):
        raise damaged(files.name("tokenizer.json"), _("its vocabulary"))
    return len(vocabulary or ())
