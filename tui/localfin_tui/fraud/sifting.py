"""Which rows are shown, and in which order."""

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence

from localfin.fraud.desk import VERDICTS, Rows
from localfin.store.cases import Case, Decision
from localfin_models.language import _

SHOWN = ("all", "suspicious", "review", "open", "confirmed", "dismissed", "held")
"""`open`: not normal and not decided."""
_DECISIONS: tuple[Decision, ...] = ("open", "confirmed", "dismissed", "held")


class Sifting:
    """The rows of a file beside what was decided about them."""

    def __init__(self, rows: Rows, cases: Mapping[int, Case]) -> None:
        """`cases`: by the transaction's place."""
        self.rows = rows
        self.cases = dict(cases)
        self._decisions = bytearray()
        """Of each row, an index into _DECISIONS."""
        self._numbers: dict[int, int] = {}
        """Of the rows that have a case, by place."""

    def number(self, place: int) -> int | None:
        """Of the row at a place of the file; None where it has not come."""
        self._grow()
        return self._numbers.get(place)

    def decide(self, number: int, case: Case) -> None:
        self._grow()
        self.cases[case.place] = case
        self._numbers[case.place] = number
        self._decisions[number] = _DECISIONS.index(case.decision)

    def counts(self) -> Counter[str]:
        """How many rows each of SHOWN has."""
        count = self._grow()
        verdicts, decisions = bytes(self.rows.verdicts[:count]), bytes(self._decisions)
        found = Counter({"all": count})
        for name in SHOWN[1:3]:
            found[name] = verdicts.count(VERDICTS.index(name))
        for at, name in enumerate(_DECISIONS[1:], 1):
            found[name] = decisions.count(at)
        found["open"] = len(self.numbers("open", by_score=False))
        return found

    def numbers(self, shown: str, *, by_score: bool) -> Sequence[int]:
        """The rows that are shown; by score, the highest first, those of equal score as in the file."""
        import numpy as np

        count = self._grow()
        if shown == "all" and not by_score:
            return range(count)
        verdicts = np.frombuffer(bytes(self.rows.verdicts[:count]), np.uint8)
        decisions = np.frombuffer(bytes(self._decisions), np.uint8)
        if shown == "all":
            found = np.arange(count)
        elif shown == "open":
            found = np.flatnonzero((verdicts > 0) & (decisions == 0))
        elif shown in VERDICTS:
            found = np.flatnonzero(verdicts == VERDICTS.index(shown))
        else:
            found = np.flatnonzero(decisions == _DECISIONS.index(shown))
        if by_score:
            scores = np.frombuffer(self.rows.scores[:count].tobytes(), np.float64)[found]
            found = found[np.argsort(-scores, kind="stable")]
        return array("q", found.astype(np.int64).tobytes())

    def is_open(self, number: int) -> bool:
        return self.rows.verdicts[number] > 0 and self._decisions[number] == 0

    def _grow(self) -> int:
        """Look at the rows that have come since; how many there are that have been looked at."""
        count, before = len(self.rows), len(self._decisions)
        if not self.cases:
            self._decisions.extend(bytes(count - before))
            return count
        for number in range(before, count):
            case = self.cases.get(self.rows.places[number])
            self._decisions.append(_DECISIONS.index(case.decision) if case else 0)
            if case:
                self._numbers[case.place] = number
        return count


def shown_word(shown: str) -> str:
    words = (
        _("all"), _("suspicious"), _("review"), _("open"), _("confirmed"), _("dismissed"), _("held"),
    )  # fmt: skip
    return words[SHOWN.index(shown)]
