"""What reading a file came to: how many rows, which columns, and which rows were kept out and why."""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field

SHOWN = 1000  # bad rows kept with their reasons; the rest are counted


@dataclass(frozen=True)
class ReadReport:
    """What `read_into` did. Rows kept out are no error: the rest was read."""

    rows: int  # now in `transactions`
    bad: list[tuple[int, str]]  # (line of the file, from 1, and the reason), the first 1000 of them, by line
    bad_count: int  # all of them
    columns: Mapping[str, str]  # role -> the column's name in the file
    notes: list[str] = field(default_factory=list)  # what was assumed, one sentence each
    format: str = ""  # csv, jsonl or parquet
    encoding: str = ""
    delimiter: str = ""


class BadRows:
    """The first bad rows by line, and the number of all."""

    def __init__(self) -> None:
        self.count = 0
        self._kept: list[tuple[int, str]] = []

    def add(self, line: int, reason: str, times: int = 1) -> None:
        self.count += times
        if len(self._kept) < SHOWN:
            heapq.heappush(self._kept, (-line, reason))
        elif -line > self._kept[0][0]:
            heapq.heappushpop(self._kept, (-line, reason))

    def uncounted(self, count: int) -> None:
        """Bad rows beyond those added."""
        self.count += count

    def listed(self) -> list[tuple[int, str]]:
        return sorted((-line, reason) for line, reason in self._kept)
