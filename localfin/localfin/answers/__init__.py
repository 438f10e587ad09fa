"""Answers with evidence: passages and computed figures for a question, and the check of what is said about them."""
