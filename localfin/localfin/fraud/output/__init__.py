"""Verdicts written down: as JSON lines, and from these as CSV, Parquet or a page for people."""
