"""base + LoRA adapter -> GGUF, in one streaming pass, with llama.cpp's own bytes."""

from localfin_convert.as_lora import LoraReport, write_lora
from localfin_convert.imatrix import ImatrixReport, make_imatrix
from localfin_convert.pipeline import Report, convert

__all__ = ["ImatrixReport", "LoraReport", "Report", "convert", "make_imatrix", "write_lora"]
