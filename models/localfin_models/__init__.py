"""What a model is: which ones are on this machine, and whether a GGUF file can be trusted with native code."""

from localfin_models.catalog import find_model, list_models
from localfin_models.gguf_header import GgufHeader, check_gguf

__all__ = ["GgufHeader", "check_gguf", "find_model", "list_models"]
