"""The evaluator in its sealed child beside llama-cpp-python's own Llama class."""

import math
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import pytest
from llama_cpp import Llama as Oracle
from tests.localfin.tiny_gguf import Tiny, write_tiny

from localfin_convert.prompt_format import SEED_TEMPLATE
from localfin_convert.verify.llama import Chat, Llama, open_llama
from localfin_models.errors import InputRefused, IntegrityFailed

TEXTS = ["안녕하세요, 예금 금리는 3.5%입니다.", "A loan of 1,000 won", "<s> 😀  \n\n\ta", ""]
LONG = "은행은 예금에 이자를 지급하고, 대출에는 이자를 받는다. A bank pays interest on deposits. " * 12


@pytest.fixture(scope="module")
def starter(top: Path) -> Path:
    return top / "models" / "localfin_models" / "starter.gguf"


@pytest.fixture(scope="module")
def llama(starter: Path) -> Iterator[Llama]:
    with open_llama(starter, threads=2) as opened:
        yield opened


@pytest.fixture(scope="module")
def oracle(starter: Path) -> Oracle:
    settings = {"type_k": 0, "type_v": 0, "n_gpu_layers": 0, "use_mmap": True, "verbose": False}
    return Oracle(str(starter), n_ctx=512, logits_all=True, n_threads=2, **settings)


def test_tokens_and_texts(llama: Llama, oracle: Oracle) -> None:
    tokens = llama.tokenize(TEXTS)
    assert tokens == [oracle.tokenize(text.encode(), add_bos=True, special=True) for text in TEXTS]
    assert llama.texts(tokens)[:2] == [f"<s> {text}" for text in TEXTS[:2]]
    assert llama.tokenize(TEXTS, special=False) == [row[1:] for row in tokens]
    assert llama.chat() == Chat(1, "<s>", 2, "</s>", SEED_TEMPLATE)


def test_logits_of_every_position(llama: Llama, oracle: Oracle) -> None:
    texts = llama.tokenize(TEXTS[:2])
    for tokens, logits in zip(texts, llama.logits(texts), strict=True):
        oracle.reset()
        oracle.eval(tokens)
        # not closer: the oracle repacks its weights, and sums in another order
        np.testing.assert_allclose(logits, oracle.scores[: len(tokens)], atol=0.15)


def test_what_leaves_the_last_layer_but_one_differs_from_what_leaves_the_first(llama: Llama) -> None:
    texts = llama.tokenize(TEXTS[:2])
    first, later = llama.hidden(texts, 1), llama.hidden(texts, 3)
    assert [rows.shape for rows in first] == [(len(text), 256) for text in texts]
    assert not np.allclose(first[0], later[0])
    np.testing.assert_array_equal(first[1], llama.hidden(texts[1:], 1)[0])  # the texts do not see each other


def test_what_leaves_a_layer_is_what_norm_and_head_go_on_with(tmp_path: Path) -> None:
    """The first two layers of three, then final norm and head in numpy, beside a model of those two layers alone."""
    three = write_tiny(tmp_path / "three.gguf", Tiny(layers=3))
    two = write_tiny(tmp_path / "two.gguf", Tiny(layers=2))
    head = next(t.data for t in gguf.GGUFReader(two).tensors if t.name == "output.weight")
    texts = [[1, 70, 80, 260], [1, 259]]
    with open_llama(three) as longer, open_llama(two) as shorter:
        for rows, logits in zip(longer.hidden(texts, 2), shorter.logits(texts), strict=True):
            normed = rows / np.sqrt((rows**2).mean(-1, keepdims=True) + 1e-5)
            np.testing.assert_allclose(normed @ head.T, logits, rtol=1e-4, atol=1e-4)


def test_perplexity_is_that_of_llama_cpps_method(llama: Llama, oracle: Oracle) -> None:
    tokens = oracle.tokenize(LONG.encode(), add_bos=True, special=False)
    likelihoods, steps = [], list[tuple[int, int]]()
    for start in range(0, len(tokens) // 64 * 64, 64):
        oracle.reset()
        oracle.eval([1, *tokens[start + 1 : start + 64]])
        logits = oracle.scores[:64].astype(np.float64)
        logs = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
        likelihoods += [logs[at, tokens[start + at + 1]] for at in range(32, 63)]
    found = llama.perplexity(LONG, 64, lambda done, total: steps.append((done, total)))
    assert found.value == pytest.approx(math.exp(-np.mean(likelihoods)), rel=0.01)
    assert found.error == pytest.approx(found.value * np.std(likelihoods) / math.sqrt(len(likelihoods) - 1), rel=0.02)
    assert (found.scored, found.n_ctx) == (len(likelihoods), 64)
    assert steps == [(done, len(tokens) // 64) for done in range(1, len(tokens) // 64 + 1)]


def test_a_short_text_has_shorter_chunks_and_a_shorter_one_none(llama: Llama) -> None:
    tokens = len(llama.tokenize([LONG])[0])
    assert llama.perplexity(LONG, 4096).n_ctx == tokens // 2
    with pytest.raises(InputRefused, match="needs 32"):
        llama.perplexity("short")


def test_a_file_that_makes_llama_cpp_abort_is_no_sound_file(tmp_path: Path, starter: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(starter.read_bytes())
    field = gguf.GGUFReader(broken, "r+").fields["tokenizer.ggml.bos_token_id"]
    field.parts[field.data[0]][0] = 5_999
    field = gguf.GGUFReader(broken, "r+").fields["llama.attention.head_count"]
    field.parts[field.data[0]][0] = 3
    with pytest.raises((IntegrityFailed, InputRefused), match=r"llama\.cpp"), open_llama(broken) as llama:
        llama.logits([[1, 2, 3]])


def test_the_child_is_sealed_and_has_little_memory_left(llama: Llama, starter: Path) -> None:
    status = Path(f"/proc/{llama.pid}/status").read_text().split()
    assert status[status.index("Seccomp:") + 1] == "2"
    limits = Path(f"/proc/{llama.pid}/limits").read_text().splitlines()
    space = next(line.split() for line in limits if line.startswith("Max address space"))
    assert int(space[3]) < 4 << 30
