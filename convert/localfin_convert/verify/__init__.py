"""Whether a converted model is what its source was: tokens, chat template, weights, logits, the adapter's effect."""
