"""Broken and malicious checkpoints and adapters, each made from a good pair by one change.

A case is a function of the two folders that `localfin convert BASE -a ADAPTER` is then given; its words are part of the
one line that refuses it. `CASES` holds them by name.
"""

import json
import os
import pickle
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

CANARY = "code-ran"
"""The file that foreign code would write, in the working folder, if it were run."""
EVIL = f"open({CANARY!r}, 'w').close()\n"
DEEP = "[" * 200_000 + "]" * 200_000
Change = Callable[[Path, Path], None]
WEIGHTS, LORA, INDEX = "model.safetensors", "adapter_model.safetensors", "model.safetensors.index.json"
QUERY = "model.layers.0.self_attn.q_proj.weight"
LORA_A = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
LORA_B = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight"


@dataclass(frozen=True, slots=True)
class Case:
    change: Change
    words: str
    """A regular expression found in the refusal."""


CASES: dict[str, Case] = {}


def case(words: str) -> Callable[[Change], Change]:
    def add(change: Change) -> Change:
        CASES[change.__name__] = Case(change, words)
        return change

    return add


class _Canary:
    """Pickled, it writes the canary when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (EVIL,)


# --- safetensors, byte by byte


def _split(path: Path) -> tuple[dict[str, Any], bytes]:
    raw = path.read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def _join(path: Path, header: object, data: bytes) -> None:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + data)


def _entry(path: Path, name: str, **changes: object) -> None:
    header, data = _split(path)
    header[name] |= changes
    _join(path, header, data)


def _values(path: Path, name: str, value: bytes) -> None:
    """Puts `value` into the middle of a tensor."""
    header, data = _split(path)
    begin, end = header[name]["data_offsets"]
    at = begin + (end - begin) // 2 // 4 * 4
    _join(path, header, data[:at] + value + data[at + len(value) :])


def _as_array(path: Path, name: str, dtype: str, array: np.ndarray) -> None:
    """Replaces a tensor, its data at the end of the file."""
    header, data = _split(path)
    header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [len(data), len(data) + array.nbytes]}
    _join(path, header, data + array.tobytes())


def _config(folder: Path, **changes: object) -> None:
    path = folder / ("config.json" if (folder / "config.json").exists() else "adapter_config.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def _index(folder: Path, weight_map: object) -> None:
    (folder / INDEX).write_text(json.dumps({"weight_map": weight_map}))


def _replaced_by(path: Path, make: Callable[[Path], None]) -> None:
    path.unlink()
    make(path)


@case("not a whole safetensors file")
def weights_empty(base: Path, adapter: Path) -> None:
    (base / WEIGHTS).write_bytes(b"")


@case("not a whole safetensors file")
def weights_seven_bytes(base: Path, adapter: Path) -> None:
    (base / WEIGHTS).write_bytes(b"\0" * 7)


@case("not a whole safetensors file")
def header_longer_than_the_file(base: Path, adapter: Path) -> None:
    (base / WEIGHTS).write_bytes(struct.pack("<Q", 1 << 20) + b"{}")


@case("not a whole safetensors file")
def header_of_eight_exabytes(base: Path, adapter: Path) -> None:
    (base / WEIGHTS).write_bytes(struct.pack("<Q", (1 << 63) - 1) + b"{}")


@case("not JSON")
def header_no_utf8(base: Path, adapter: Path) -> None:
    _join(base / WEIGHTS, b'{"\xff\xfe": 1}', b"")


@case("not JSON")
def header_no_json(base: Path, adapter: Path) -> None:
    _join(base / WEIGHTS, b"{" * 100, b"")


@case("not a JSON object")
def header_a_list(base: Path, adapter: Path) -> None:
    _join(base / WEIGHTS, [1, 2], b"")


@case("not JSON")
def header_deep(base: Path, adapter: Path) -> None:
    _join(base / WEIGHTS, DEEP.encode(), b"")


@case("names a key twice")
def tensor_named_twice(base: Path, adapter: Path) -> None:
    entry = b'"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}'
    _join(base / WEIGHTS, b"{" + entry + b"," + entry + b"}", b"\0" * 4)


@case("names a key twice")
def dtype_named_twice(base: Path, adapter: Path) -> None:
    entry = b'{"a": {"dtype": "F32", "dtype": "F16", "shape": [1], "data_offsets": [0, 4]}}'
    _join(base / WEIGHTS, entry, b"\0" * 4)


@case("overlaps another")
def tensors_overlap(base: Path, adapter: Path) -> None:
    header, data = _split(base / WEIGHTS)
    header["model.layers.0.self_attn.o_proj.weight"]["data_offsets"] = header[QUERY]["data_offsets"]
    _join(base / WEIGHTS, header, data)


@case("cut short")
def tensor_beyond_the_file(base: Path, adapter: Path) -> None:
    _entry(base / WEIGHTS, QUERY, data_offsets=[1 << 40, (1 << 40) + 131072])


@case("cut short")
def file_cut(base: Path, adapter: Path) -> None:
    raw = (base / WEIGHTS).read_bytes()
    (base / WEIGHTS).write_bytes(raw[: len(raw) // 2])


@case("cut short|malformed")
def span_backwards(base: Path, adapter: Path) -> None:
    _entry(base / WEIGHTS, QUERY, data_offsets=[4096, 0])


@case("malformed")
def span_negative(base: Path, adapter: Path) -> None:
    _entry(base / WEIGHTS, QUERY, data_offsets=[-4, 131068])


@case("malformed")
def span_of_fractions(base: Path, adapter: Path) -> None:
    _entry(base / WEIGHTS, QUERY, data_offsets=[0.0, 131072.0])


@case("malformed")
def span_of_booleans(base: Path, adapter: Path) -> None:
    _entry(base / WEIGHTS, QUERY, data_offsets=[False, True])


@case("malformed")
def span_of_three(base: Path, adapter: Path) -> None:
    _entry(base / WEIGHTS, QUERY, data_offsets=[0, 65536, 131072])


@case("does not fill")
def shape_huge(base: Path, adapter: Path) -> None:
    _entry(base / WEIGHTS, QUERY, shape=[1 << 62, 1 << 62])


@case("does not fill")
def shape_that_wraps_around(base: Path, adapter: Path) -> None:
    _entry(base / WEIGHTS, QUERY, shape=[(1 << 48) + 256, 1 << 16, 256])


@case("malformed")
def shape_negative(base: Path, adapter: Path) -> None:
    _entry(base / WEIGHTS, QUERY, shape=[-256, -256])


@case("malformed")
def shape_of_words(base: Path, adapter: Path) -> None:
    _entry(base / WEIGHTS, QUERY, shape=["256", "256"])


@case("malformed")
def shape_of_a_thousand_dimensions(base: Path, adapter: Path) -> None:
    _entry(base / WEIGHTS, QUERY, shape=[1] * 1000)


@case("unknown dtype")
def dtype_unknown(base: Path, adapter: Path) -> None:
    _entry(base / WEIGHTS, QUERY, dtype="F32\x1b[31m")


@case("unknown dtype")
def dtype_no_word(base: Path, adapter: Path) -> None:
    _entry(base / WEIGHTS, QUERY, dtype={"F32": 1})


@case("lacks dtype")
def entry_no_object(base: Path, adapter: Path) -> None:
    header, data = _split(base / WEIGHTS)
    _join(base / WEIGHTS, header | {QUERY: 1}, data)


@case("lacks dtype")
def entry_without_offsets(base: Path, adapter: Path) -> None:
    header, data = _split(base / WEIGHTS)
    del header[QUERY]["data_offsets"]
    _join(base / WEIGHTS, header, data)


@case("expected")
def weights_of_integers(base: Path, adapter: Path) -> None:
    _as_array(base / WEIGHTS, QUERY, "I64", np.ones((256, 256), np.int64))


@case("expected")
def weights_of_eight_bits(base: Path, adapter: Path) -> None:
    _as_array(base / WEIGHTS, QUERY, "F8_E4M3", np.ones((256, 256), np.uint8))


@case("NaN or Inf")
def weight_nan(base: Path, adapter: Path) -> None:
    _values(base / WEIGHTS, QUERY, b"\xc0\x7f")


@case("NaN or Inf")
def weight_infinite(base: Path, adapter: Path) -> None:
    _values(base / WEIGHTS, "model.norm.weight", b"\x80\xff")


@case("shape|another base")
def weight_of_no_rows(base: Path, adapter: Path) -> None:
    _as_array(base / WEIGHTS, QUERY, "F32", np.ones((0, 256), np.float32))


@case("shape|another base")
def weight_of_three_dimensions(base: Path, adapter: Path) -> None:
    _entry(base / WEIGHTS, QUERY, shape=[2, 128, 256])


@case(r"where config\.json says|another base")
def weight_of_another_width(base: Path, adapter: Path) -> None:
    _entry(base / WEIGHTS, QUERY, shape=[128, 512])


@case("lacks the tensor|match nothing")
def a_layer_missing(base: Path, adapter: Path) -> None:
    header, data = _split(base / WEIGHTS)
    header["spare"] = header.pop(QUERY)
    _join(base / WEIGHTS, header, data)


@case("spare|unknown|known")
def a_tensor_nobody_knows(base: Path, adapter: Path) -> None:
    header, data = _split(base / WEIGHTS)
    header["model.layers.0.spare\x1b]52;c;AAAA\x07.weight"] = header[QUERY] | {"shape": [0, 4], "data_offsets": [0, 0]}
    _join(base / WEIGHTS, header, data)


@case("lacks the tensor|match|known")
def forty_thousand_tensors(base: Path, adapter: Path) -> None:
    entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    _join(base / WEIGHTS, {f"t{number}": entry for number in range(40_000)}, b"")


@case("lacks|match|known")
def a_name_of_a_megabyte(base: Path, adapter: Path) -> None:
    header, data = _split(base / WEIGHTS)
    header["x" * (1 << 20)] = header.pop(QUERY)
    _join(base / WEIGHTS, header, data)


# --- the index, the folder


@case("is missing")
def shard_missing(base: Path, adapter: Path) -> None:
    header, _data = _split(base / WEIGHTS)
    _index(base, dict.fromkeys(header, WEIGHTS) | {"a": "model-2.safetensors"})


@case("does not hold it")
def index_promises_more(base: Path, adapter: Path) -> None:
    header, _data = _split(base / WEIGHTS)
    _index(base, dict.fromkeys(header, WEIGHTS) | {"a": WEIGHTS})


@case("does not list")
def index_lists_less(base: Path, adapter: Path) -> None:
    header, _data = _split(base / WEIGHTS)
    _index(base, {name: WEIGHTS for name in header if name != QUERY})


@case("is in both")
def tensor_in_two_shards(base: Path, adapter: Path) -> None:
    (base / "model-2.safetensors").write_bytes((base / WEIGHTS).read_bytes())


@case("beside it")
def index_climbs_out(base: Path, adapter: Path) -> None:
    _index(base, {QUERY: "../../../../etc/passwd.safetensors"})


@case("beside it")
def index_absolute(base: Path, adapter: Path) -> None:
    _index(base, {QUERY: "/proc/self/mem.safetensors"})


@case("no weight_map")
def index_no_map(base: Path, adapter: Path) -> None:
    _index(base, [WEIGHTS])


@case("beside it")
def index_of_numbers(base: Path, adapter: Path) -> None:
    _index(base, {QUERY: 7})


@case("not JSON")
def index_deep(base: Path, adapter: Path) -> None:
    (base / INDEX).write_text(DEEP)


@case("is missing|cannot be read|no model|regular file")
def weights_a_link_to_itself(base: Path, adapter: Path) -> None:
    _replaced_by(base / WEIGHTS, lambda path: path.symlink_to(path))


@case("is missing|cannot be read|no model|regular file")
def weights_links_in_a_circle(base: Path, adapter: Path) -> None:
    (base / "other").symlink_to(base / WEIGHTS)
    _replaced_by(base / WEIGHTS, lambda path: path.symlink_to(base / "other"))


@case("is missing|regular file")
def weights_a_pipe(base: Path, adapter: Path) -> None:
    _replaced_by(base / WEIGHTS, os.mkfifo)


@case("is missing|regular file")
def weights_an_endless_device(base: Path, adapter: Path) -> None:
    _replaced_by(base / WEIGHTS, lambda path: path.symlink_to("/dev/zero"))


@case("is missing|regular file")
def weights_a_folder(base: Path, adapter: Path) -> None:
    _replaced_by(base / WEIGHTS, Path.mkdir)


@case("is a pickle")
def weights_a_pickle(base: Path, adapter: Path) -> None:
    (base / WEIGHTS).unlink()
    (base / "pytorch_model.bin").write_bytes(pickle.dumps(_Canary()))


@case("not a whole|not JSON")
def weights_a_pickle_by_another_name(base: Path, adapter: Path) -> None:
    (base / WEIGHTS).write_bytes(pickle.dumps(_Canary()))


# --- config.json


@case("cannot be read")
def config_missing(base: Path, adapter: Path) -> None:
    (base / "config.json").unlink()


@case("not JSON")
def config_no_json(base: Path, adapter: Path) -> None:
    (base / "config.json").write_bytes(b"\xff\xfe\x00")


@case("not a JSON object")
def config_a_list(base: Path, adapter: Path) -> None:
    (base / "config.json").write_text("[]")


@case("not JSON")
def config_deep(base: Path, adapter: Path) -> None:
    (base / "config.json").write_text('{"a": ' + DEEP + "}")


@case("larger than")
def config_of_a_gigabyte(base: Path, adapter: Path) -> None:
    with (base / "config.json").open("r+b") as file:
        file.truncate(1 << 30)


@case("not JSON")
def config_with_a_number_of_a_million_digits(base: Path, adapter: Path) -> None:
    (base / "config.json").write_text('{"num_hidden_layers": ' + "9" * 1_000_000 + "}")


@case("regular file|cannot be read")
def config_a_pipe(base: Path, adapter: Path) -> None:
    _replaced_by(base / "config.json", os.mkfifo)


@case("regular file|cannot be read")
def config_an_endless_device(base: Path, adapter: Path) -> None:
    _replaced_by(base / "config.json", lambda path: path.symlink_to("/dev/zero"))


@case("cannot be read")
def config_links_in_a_circle(base: Path, adapter: Path) -> None:
    _replaced_by(base / "config.json", lambda path: path.symlink_to(path))


@case("its own code")
def model_with_code(base: Path, adapter: Path) -> None:
    (base / "modeling_llama.py").write_text(EVIL)
    (base / "configuration_llama.py").write_text(EVIL)
    _config(base, auto_map={"AutoConfig": "configuration_llama.C", "AutoModelForCausalLM": "modeling_llama.M"})


@case("its own code")
def model_with_code_from_elsewhere(base: Path, adapter: Path) -> None:
    _config(base, auto_map={"AutoModelForCausalLM": "someone/else--modeling_llama.M"})


@case("unknown architecture")
def architecture_unknown(base: Path, adapter: Path) -> None:
    _config(base, architectures=["\x1b]52;c;ZXZpbA==\x07ForCausalLM"])


@case("unknown architecture")
def architecture_no_list(base: Path, adapter: Path) -> None:
    _config(base, architectures={"LlamaForCausalLM": 1})


@case("num_hidden_layers")
def layers_without_number(base: Path, adapter: Path) -> None:
    _config(base, num_hidden_layers=10**9)


@case("num_hidden_layers")
def layers_true(base: Path, adapter: Path) -> None:
    _config(base, num_hidden_layers=True)


@case("num_attention_heads")
def heads_negative(base: Path, adapter: Path) -> None:
    _config(base, num_attention_heads=-4)


@case("head")
def heads_that_do_not_divide(base: Path, adapter: Path) -> None:
    _config(base, num_attention_heads=7)


@case("rope")
def rope_no_number(base: Path, adapter: Path) -> None:
    _config(base, rope_theta=float("nan"))


@case("rope type")
def rope_unknown(base: Path, adapter: Path) -> None:
    _config(base, rope_scaling={"rope_type": "evil", "factor": 8.0})


@case("rms_norm_eps")
def epsilon_infinite(base: Path, adapter: Path) -> None:
    _config(base, rms_norm_eps=float("inf"))


@case("vocab_size|config.json says")
def vocabulary_without_end(base: Path, adapter: Path) -> None:
    _config(base, vocab_size=1 << 40)


@case("quantiz|gptq")
def base_quantized_otherwise(base: Path, adapter: Path) -> None:
    _config(base, quantization_config={"quant_method": "gptq", "bits": 4})


# --- the tokenizer


@case("tokenizer")
def tokenizer_missing(base: Path, adapter: Path) -> None:
    (base / "tokenizer.model").unlink()


@case("tokenizer")
def tokenizer_garbage(base: Path, adapter: Path) -> None:
    (base / "tokenizer.model").write_bytes(os.urandom(1 << 16))


@case("tokenizer")
def tokenizer_empty(base: Path, adapter: Path) -> None:
    (base / "tokenizer.model").write_bytes(b"")


@case("tokenizer|regular file")
def tokenizer_a_pipe(base: Path, adapter: Path) -> None:
    _replaced_by(base / "tokenizer.model", os.mkfifo)


@case("tokenizer")
def tokenizer_without_vocabulary(base: Path, adapter: Path) -> None:
    (base / "tokenizer.model").unlink()
    (base / "tokenizer.json").write_text('{"model": {"type": "BPE"}}')


@case("tokenizer")
def tokenizer_deep(base: Path, adapter: Path) -> None:
    (base / "tokenizer.model").unlink()
    (base / "tokenizer.json").write_text('{"model": ' + DEEP + "}")


@case("tokenizer")
def tokenizer_larger_than_the_model(base: Path, adapter: Path) -> None:
    (base / "tokenizer.model").unlink()
    vocabulary = {f"<{number}>": number for number in range(500)}
    model = {"type": "BPE", "vocab": vocabulary, "merges": [], "byte_fallback": True}
    (base / "tokenizer.json").write_text(json.dumps({"model": model, "added_tokens": []}))


@case("tokenizer_config.json")
def tokenizer_settings_no_json(base: Path, adapter: Path) -> None:
    (base / "tokenizer_config.json").write_text("{")


# --- the adapter


@case("adapter_config.json")
def adapter_without_configuration(base: Path, adapter: Path) -> None:
    (adapter / "adapter_config.json").unlink()


@case("not JSON")
def adapter_configuration_deep(base: Path, adapter: Path) -> None:
    (adapter / "adapter_config.json").write_text(DEEP)


@case("peft_type")
def adapter_of_no_kind(base: Path, adapter: Path) -> None:
    _config(adapter, peft_type="os.system")


@case("pickle")
def adapter_a_pickle(base: Path, adapter: Path) -> None:
    (adapter / LORA).unlink()
    (adapter / "adapter_model.bin").write_bytes(pickle.dumps(_Canary()))


@case("regular file|is missing|adapter_model")
def adapter_a_pipe(base: Path, adapter: Path) -> None:
    _replaced_by(adapter / LORA, os.mkfifo)


@case("cannot be read|is missing|adapter_model")
def adapter_links_in_a_circle(base: Path, adapter: Path) -> None:
    _replaced_by(adapter / LORA, lambda path: path.symlink_to(path))


@case("no usable r")
def rank_nothing(base: Path, adapter: Path) -> None:
    _config(adapter, r=0)


@case("another base|no usable r")
def rank_without_end(base: Path, adapter: Path) -> None:
    _config(adapter, r=10**12)


@case("no usable r")
def alpha_no_number(base: Path, adapter: Path) -> None:
    _config(adapter, lora_alpha=float("nan"))


@case("no usable r|Inf|beyond|grows")
def alpha_too_large(base: Path, adapter: Path) -> None:
    _config(adapter, lora_alpha=1e308)


@case("pattern")
def pattern_that_backtracks(base: Path, adapter: Path) -> None:
    _config(adapter, rank_pattern={"(.*.*.*.*.*.*.*.*.*.*.*)*x": 8})


@case("pattern")
def pattern_no_pattern(base: Path, adapter: Path) -> None:
    _config(adapter, alpha_pattern={"(((": 8})


@case("match nothing")
def adapter_for_another_family(base: Path, adapter: Path) -> None:
    header, data = _split(adapter / LORA)
    _join(adapter / LORA, {name.replace("self_attn", "attention"): entry for name, entry in header.items()}, data)


@case("one half")
def half_an_adapter(base: Path, adapter: Path) -> None:
    header, data = _split(adapter / LORA)
    del header[LORA_B]
    _join(adapter / LORA, header, data)


@case("another base")
def adapter_of_another_width(base: Path, adapter: Path) -> None:
    _as_array(adapter / LORA, LORA_A, "F32", np.ones((8, 512), np.float32))


@case("NaN or Inf")
def adapter_nan(base: Path, adapter: Path) -> None:
    _values(adapter / LORA, LORA_B, b"\0\0\xc0\x7f")


@case("F32, F16 or BF16")
def adapter_of_integers(base: Path, adapter: Path) -> None:
    _as_array(adapter / LORA, LORA_A, "I8", np.ones((8, 256), np.int8))


@case("overlaps")
def adapter_tensors_overlap(base: Path, adapter: Path) -> None:
    header, data = _split(adapter / LORA)
    header[LORA_B]["data_offsets"] = header[LORA_A]["data_offsets"]
    _join(adapter / LORA, header, data)


@case("changes no weight")
def adapter_of_zeros(base: Path, adapter: Path) -> None:
    header, data = _split(adapter / LORA)
    _join(adapter / LORA, header, bytes(len(data)))


@case("holds no tensor|changes nothing")
def adapter_of_nothing(base: Path, adapter: Path) -> None:
    _join(adapter / LORA, {}, b"")


@case("trainable_token_indices")
def token_indices_without_end(base: Path, adapter: Path) -> None:
    _config(adapter, trainable_token_indices={"embed_tokens": [10**12]})


@case("promises")
def saved_modules_that_are_not_there(base: Path, adapter: Path) -> None:
    _config(adapter, modules_to_save=["lm_head"])
