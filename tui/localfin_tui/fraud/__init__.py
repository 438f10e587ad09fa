"""Judged transactions: watched as they come, filtered, looked into, decided."""
