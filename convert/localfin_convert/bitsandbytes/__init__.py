"""bitsandbytes' numbers in numpy: read where a checkpoint holds them, made where a training saw them."""
