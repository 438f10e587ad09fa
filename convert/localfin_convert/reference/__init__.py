"""A model's logits in plain float32 numpy, from any set of its weights: what a conversion is compared with.

reference = Reference(family_of(checkpoint.config), checkpoint.tensors)
logits = reference.logits(weights, [[1, 529, 3102], [1, 988]], layers=2)
"""

from localfin_convert.reference.forward import Reference
from localfin_convert.reference.gguf_weights import gguf_weights
from localfin_convert.reference.weights import Weights, base_weights, merged_weights

__all__ = ["Reference", "Weights", "base_weights", "gguf_weights", "merged_weights"]
