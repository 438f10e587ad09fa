"""Ordinary questions about a table, recognised without any model. What is not understood in full is not answered."""
