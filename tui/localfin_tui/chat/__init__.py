"""The chat: asking, reading answers as they come, and the history of both."""
