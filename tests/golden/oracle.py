"""The oracle: peft's merge, llama.cpp's converter and its quantizer, each imported once and called in this process.

llama.cpp's own `gguf-py` and its folder must stand in front of `sys.path` (see make.py) before this is imported.
"""

import contextlib
import ctypes
import importlib.metadata
import io
import json
import logging
import os
import platform
import shutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import convert_hf_to_gguf  # llama.cpp's
import llama_cpp
import torch
import transformers
from conversion import TextModel  # llama.cpp's
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from tests.golden.cases import Case
from tests.golden.exaone import load_exaone
from tests.golden.record import record

_DTYPES = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}
_QUANTIZED = {
    name: getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{name.upper()}")
    for name in (
        "q8_0", "q6_k", "q5_k_m", "q5_k_s", "q4_k_m", "q4_k_s", "q4_0", "q3_k_m", "q3_k_l", "q3_k_s", "q2_k",
        "iq4_xs", "iq4_nl",
    )
}  # fmt: skip
_SILENT = llama_cpp.llama_log_callback(lambda _level, _text, _user_data: None)
_LIBRARIES = ("llama-cpp-python", "torch", "transformers", "peft", "tokenizers", "sentencepiece", "numpy")


def be_quiet() -> None:
    """One thread, and none of the libraries' words: what fails raises."""
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    llama_cpp.llama_log_set(_SILENT, ctypes.c_void_p())
    transformers.utils.logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    os.environ["HF_HUB_OFFLINE"] = "1"


def outcome(
    case: Case, base: Path, adapters: Sequence[Path], folder: Path, quantization: str, pretokenizer: str | None = None
) -> dict[str, Any]:
    """What the usual tools make of it, recorded; their files stay in `folder`.

    `pretokenizer` is what the converter is told about a vocabulary that it cannot know.
    """
    folder.mkdir(parents=True, exist_ok=True)
    merged = folder / "merged"
    if not merged.exists():
        _put_together(case, base, adapters, merged)
    out = folder / f"{quantization}.gguf"
    known = contextlib.nullcontext()
    if pretokenizer is not None:
        known = mock.patch.object(TextModel, "get_vocab_base_pre", return_value=pretokenizer)
    with known, _plain_tokenizer() if case.architecture == "exaone" else contextlib.nullcontext():
        if quantization not in _QUANTIZED:
            convert(merged, out, quantization)
        elif not (folder / "auto.gguf").exists():
            convert(merged, folder / "auto.gguf", "auto")
    if quantization in _QUANTIZED:
        quantize(folder / "auto.gguf", out, _QUANTIZED[quantization])
    return record(out)


def _put_together(case: Case, base: Path, adapters: Sequence[Path], merged: Path) -> None:
    """The merged checkpoint; without adapters the base itself."""
    if adapters:
        merge(case, base, adapters, merged)
    else:
        shutil.copytree(base, merged)
    if case.architecture == "exaone":  # llama.cpp's converter takes the epsilon by its name for a layer norm's
        config = merged / "config.json"
        text = config.read_text(encoding="utf-8")
        config.write_text(text.replace('"layer_norm_epsilon"', '"rms_norm_eps"'), encoding="utf-8")


def merge(case: Case, base: Path, adapters: Sequence[Path], merged: Path) -> None:
    """peft's default merge in the checkpoint's own type; config and vocabulary stay the checkpoint's own files."""
    model = resized(case, load(case, base))
    first, *others = adapters
    model = PeftModel.from_pretrained(model, str(first), adapter_name=first.name)
    for adapter in others:
        model.load_adapter(str(adapter), adapter.name)
    for module in model.modules():
        for path, adapter in zip(adapters, case.adapters, strict=True):
            if isinstance(module, LoraLayer) and adapter.weight != 1:
                module.set_scale(path.name, adapter.weight)
    model = model.merge_and_unload(adapter_names=[adapter.name for adapter in adapters])
    model.save_pretrained(merged)
    tokenizers = [path for path, adapter in zip(adapters, case.adapters, strict=True) if adapter.added_tokens]
    for folder in (base, *tokenizers):
        for file in folder.iterdir():
            if not file.name.startswith(("model", "adapter")):
                shutil.copy(file, merged / file.name)
    config = json.loads((merged / "config.json").read_text(encoding="utf-8"))
    config |= {key: getattr(model.config, key) for key in ("vocab_size", "tie_word_embeddings")}
    (merged / "config.json").write_text(json.dumps(config), encoding="utf-8")


def load(case: Case, base: Path) -> Any:
    """The base; a tied one untied, as peft's warning says, where LoRA changes embedding or head."""
    targets = {target for adapter in case.adapters for target in adapter.targets}
    unties = case.tied and bool(targets & {"embed_tokens", "wte", "lm_head"})
    if case.architecture == "exaone":
        return load_exaone(base, _DTYPES[case.dtype], unties=unties)
    if not unties:
        return transformers.AutoModelForCausalLM.from_pretrained(base, dtype=_DTYPES[case.dtype])
    model = transformers.AutoModelForCausalLM.from_pretrained(
        base, dtype=_DTYPES[case.dtype], tie_word_embeddings=False
    )
    model.lm_head.weight.data = model.model.embed_tokens.weight.data.clone()
    return model


def resized(case: Case, model: Any) -> Any:
    """With as many tokens as the adapter's tokenizer; what it does not bring would be left as nonsense."""
    rows = case.vocab_size + max(len(adapter.added_tokens) for adapter in case.adapters)
    if rows != case.vocab_size:
        model.resize_token_embeddings(rows, mean_resizing=False)
        for weight in (model.get_input_embeddings().weight, model.get_output_embeddings().weight):
            weight.data[case.vocab_size :] = 1e4
    return model


def convert(model: Path, out: Path, outtype: str) -> None:
    """`convert_hf_to_gguf.py MODEL --outfile OUT --outtype OUTTYPE`."""
    arguments = ["convert_hf_to_gguf.py", str(model), "--outfile", str(out), "--outtype", outtype]
    with mock.patch.object(sys, "argv", arguments), contextlib.redirect_stderr(io.StringIO()):
        convert_hf_to_gguf.main()


@contextlib.contextmanager
def _plain_tokenizer() -> Iterator[None]:
    """Loads tokenizers by their class, where transformers 5 fails to read config.json before it comes to them."""
    plain = transformers.PreTrainedTokenizerFast.from_pretrained
    with mock.patch.object(transformers.AutoTokenizer, "from_pretrained", plain):
        yield


def quantize(source: Path, out: Path, ftype: int) -> None:
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = ftype
    params.nthread = 1
    if llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(out), ctypes.byref(params)):
        raise SystemExit(f"llama_model_quantize failed on {source}")


def made_on() -> dict[str, Any]:
    """The processor and libraries that a golden was made on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        cpu = next((line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line), cpu)
    return {
        "processor": cpu,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "libraries": {name: importlib.metadata.version(name) for name in _LIBRARIES},
    }
