"""Makes the goldens with the usual three tools: peft's merge, llama.cpp's converter, llama.cpp's quantizer.

    python -m tests.golden.make LLAMA_CPP_DIR [CASE ...] [--work DIR]

`LLAMA_CPP_DIR` is `vendor/llama.cpp` of the unpacked source distribution of the pinned llama-cpp-python. Not run by
the tests: they only compare with what this wrote into `goldens/`. Needs `.[dev]`.
"""

import argparse
import ctypes
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import llama_cpp
import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from tests.golden.cases import CASES, Case
from tests.golden.checkpoints import build
from tests.golden.record import dump, record
from transformers import AutoModelForCausalLM

GOLDENS = Path(__file__).parent / "goldens"
_DTYPES = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}
_QUANTIZED = {"q4_k_m": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M, "q8_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0}
_PLAIN_TOKENIZER = """
import os, runpy, sys, transformers
transformers.AutoTokenizer.from_pretrained = transformers.PreTrainedTokenizerFast.from_pretrained
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs the converter where transformers 5 fails to read config.json before it comes to the tokenizer."""
_LIBRARIES = ("llama-cpp-python", "torch", "transformers", "peft", "tokenizers", "sentencepiece", "numpy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("llama_cpp", type=Path)
    parser.add_argument("cases", nargs="*", help="names of cases; all without")
    parser.add_argument("--work", type=Path, help="keep the checkpoints and GGUF files there")
    arguments = parser.parse_intermixed_args()
    GOLDENS.mkdir(exist_ok=True)
    for case in CASES:
        if not arguments.cases or case.name in arguments.cases:
            with tempfile.TemporaryDirectory() as temporary:
                make(case, arguments.llama_cpp, (arguments.work or Path(temporary)) / case.name)


def make(case: Case, llama_cpp_dir: Path, folder: Path) -> None:
    """Writes the goldens of one case; leaves its checkpoint and outputs in `folder`."""
    shutil.rmtree(folder, ignore_errors=True)
    base, adapters = build(case, folder)
    merged = merge(case, base, adapters, folder / "merged") if adapters else base
    if case.architecture == "exaone":
        merged = readable(base, folder / "readable")
    for quantization in case.quantizations:
        out = folder / f"{quantization}.gguf"
        if quantization in _QUANTIZED:
            source = folder / "auto.gguf"
            if not source.exists():
                convert(llama_cpp_dir, merged, source, "auto")
            quantize(source, out, _QUANTIZED[quantization])
        else:
            convert(llama_cpp_dir, merged, out, quantization)
        golden = {"made": _made_on()} | record(out)
        target = GOLDENS / f"{case.name}.{quantization}.json"
        target.write_text(dump(golden), encoding="utf-8")
        print(f"{target.name}: {len(golden['tensors'])} tensors, {out.stat().st_size} bytes", flush=True)


def merge(case: Case, base: Path, adapters: Sequence[Path], merged: Path) -> Path:
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
    return merged


def readable(base: Path, copy: Path) -> Path:
    """EXAONE 3.5 as llama.cpp's converter gets it right: it takes the epsilon by its name for a layer norm's."""
    shutil.copytree(base, copy)
    config = copy / "config.json"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace('"layer_norm_epsilon"', '"rms_norm_eps"'), encoding="utf-8")
    return copy


def load(case: Case, base: Path) -> Any:
    """The base; a tied one untied, as peft's warning says, where LoRA changes embedding or head."""
    targets = {target for adapter in case.adapters for target in adapter.targets}
    if not (case.tied and targets & {"embed_tokens", "lm_head"}):
        return AutoModelForCausalLM.from_pretrained(base, dtype=_DTYPES[case.dtype])
    model = AutoModelForCausalLM.from_pretrained(base, dtype=_DTYPES[case.dtype], tie_word_embeddings=False)
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


def convert(llama_cpp_dir: Path, model: Path, out: Path, outtype: str) -> None:
    script = llama_cpp_dir / "convert_hf_to_gguf.py"
    starter = ["-c", _PLAIN_TOKENIZER] if model.name == "readable" else []
    command = [sys.executable, *starter, str(script), str(model), "--outfile", str(out), "--outtype", outtype]
    subprocess.run(command, check=True, env=os.environ | {"HF_HUB_OFFLINE": "1"}, capture_output=True)


def quantize(source: Path, out: Path, ftype: int) -> None:
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = ftype
    if llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(out), ctypes.byref(params)):
        raise SystemExit(f"llama_model_quantize failed on {source}")


def _made_on() -> dict[str, Any]:
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


if __name__ == "__main__":
    main()
