"""Whether a converted model is what its source was: tokens, chat template, logits, the adapter's effect."""
