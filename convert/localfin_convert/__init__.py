"""base + LoRA adapter -> GGUF, in one streaming pass, with llama.cpp's own bytes."""

from localfin_convert.as_lora import LoraReport, write_lora
from localfin_convert.pipeline import Report, convert

__all__ = ["LoraReport", "Report", "convert", "write_lora"]
