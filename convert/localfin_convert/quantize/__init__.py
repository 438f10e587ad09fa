"""Which type each tensor gets, and the quantizers that make its bytes."""
