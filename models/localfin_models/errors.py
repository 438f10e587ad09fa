"""The errors every floor raises, and the exit codes scripts rely on. Nothing else.

LocalfinError           1  the work failed
├── InputRefused        3  something inside a path that exists is wrong; nothing was written
├── NotFound            4  the path or model named does not exist
├── IntegrityFailed     5  a hash or signature is wrong
└── NotEnough           6  not enough memory or disk; the message says how much is needed

Wrong usage is click's (2), an interrupt 130. The message is one line that says what to do.
"""


class LocalfinError(Exception):
    exit_code = 1


class InputRefused(LocalfinError):  # noqa: N818
    exit_code = 3


class NotFound(LocalfinError):  # noqa: N818 - reads as what happened
    exit_code = 4


class IntegrityFailed(LocalfinError):  # noqa: N818
    exit_code = 5


class NotEnough(LocalfinError):  # noqa: N818
    exit_code = 6


INTERRUPTED = 130
