"""Safetensors checkpoints: headers, indices, rows at an offset, as numbers. Checked before anything trusts them."""
