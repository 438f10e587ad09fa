"""base + LoRA adapter -> GGUF, in one streaming pass, with llama.cpp's own bytes; or -> a merged checkpoint."""

from localfin_convert.adapter import Weighted
from localfin_convert.as_lora import LoraReport, write_lora
from localfin_convert.as_safetensors import SafetensorsReport, write_safetensors
from localfin_convert.imatrix import ImatrixReport, make_imatrix
from localfin_convert.pipeline import Report, convert

__all__ = [
    "ImatrixReport", "LoraReport", "Report", "SafetensorsReport", "Weighted", "convert", "make_imatrix",
    "write_lora", "write_safetensors",
]  # fmt: skip
