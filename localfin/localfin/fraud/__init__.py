"""The fraud desk: transactions, signals computed from them, a scorer that adds the signals up, and its evaluation."""
