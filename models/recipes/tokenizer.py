"""The vocabulary: SentencePiece BPE with byte fallback, as Llama's. Digits stand alone; nothing is normalized.

Run as `python -m recipes.tokenizer WORK`: writes `WORK/base/tokenizer.model` and its configuration.
"""

import io
import itertools
import json
import sys
from pathlib import Path

import sentencepiece

from recipes.data.corpus import documents
from recipes.data.knowledge import HANGUL

VOCABULARY = 6000
DOCUMENTS = 40_000
SEED = 20_26
UNK, BOS, EOS = 0, 1, 2


def train(work: Path) -> Path:
    """Write the vocabulary into `work`/base and return its path."""
    base = work / "base"
    base.mkdir(parents=True, exist_ok=True)
    model = io.BytesIO()
    lines = itertools.chain.from_iterable(
        document.splitlines() for document in itertools.islice(documents(SEED), DOCUMENTS)
    )
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=itertools.chain(lines, [" ".join(HANGUL)]),
        model_writer=model,
        model_type="bpe",
        vocab_size=VOCABULARY,
        character_coverage=1.0,
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=True,
        unk_id=UNK,
        bos_id=BOS,
        eos_id=EOS,
        pad_id=-1,
        max_sentence_length=100_000,
        num_threads=1,
        minloglevel=1,
    )
    path = base / "tokenizer.model"
    path.write_bytes(model.getvalue())
    configuration = {
        "tokenizer_class": "LlamaTokenizer",
        "add_bos_token": True,
        "add_eos_token": False,
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "legacy": True,
        "model_max_length": 4096,
        "clean_up_tokenization_spaces": False,
    }
    text = json.dumps(configuration, indent=2) + "\n"
    (base / "tokenizer_config.json").write_text(text, encoding="utf-8")
    return path


def load(work: Path) -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_file=str(work / "base" / "tokenizer.model"))


if __name__ == "__main__":
    train(Path(sys.argv[1]))
