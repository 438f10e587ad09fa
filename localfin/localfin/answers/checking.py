"""What a model wrote, checked as it comes: quotes and citations against the sources, figures against what is held.

Covered: text in quotation marks or quoted lines stands in a source (or is the user's own words), else it is removed;
a citation `[n]` gets the sentence of its source that carries the statement before it, found by the program, else it is
removed; a figure of no source and no calculation is followed by `[?]`. Not covered: whether a statement says the
same as the sentence that is cited for it, words that state a number without a unit, and what is left unsaid.
"""

import re
from collections.abc import Iterator, Sequence

from localfin.answers.events import Citation, Marked, Removed, Source
from localfin.answers.held import Held
from localfin.answers.matching import asked_for, coverage
from localfin.answers.quotes import Span, find, sentences
from localfin_models.language import translated

MARK = "[?]"
"""Behind a figure that is held nowhere."""
SUPPORTED = 0.4
"""How much of a statement its source covers at least. A true paraphrase keeps its terms; other passages share some."""
_LONGEST_HELD = 4000
"""Characters after which a sentence is no longer waited for."""
_NAMED_ONLY = 2
"""Words up to which quotation marks name something rather than quote: the marks go, the words stay."""
_UNIFIED = str.maketrans("＂〝〞❝❞‹›„‟‚‛", '"“”“”‘’““‘‘')
_QUOTE = re.compile(
    r"“[^”\n]*(?:”|$)|\"[^\"\n]*(?:\"|$)|「[^」\n]*(?:」|$)|『[^』\n]*(?:』|$)|«[^»\n]*(?:»|$)"
    r"|‘[^\n]*?(?:’(?![a-z\d])|$)|(?<![a-z\d])'(?=\S)[^\n]*?(?<=\S)'(?![a-z\d])|^[ \t]*>[^\n]*$",
    re.MULTILINE | re.IGNORECASE,
)
_CITED = re.compile(r"[ \t]*\[(\d{1,3}(?:\s*[,;·]\s*\d{1,3})*)\]")
_END = re.compile(r"(?<![\d\s])[.!?。…]+[\"'”’」』»)\]]*(?:\s*\[[\d,;·\s]{1,12}\])*\s+(?=[^\s\[])|\n+(?=[^\s\[])")
_ANY_MARK = re.compile('[“”"「」『』«»‘]')
_PAIRS = (("“", "”"), ("「", "」"), ("『", "』"), ("«", "»"))


class Checker:
    """Takes an answer in pieces, gives it back in checked sentences."""

    def __init__(self, sources: Sequence[Source], held: Held, own_words: Sequence[str], language: str) -> None:
        """`own_words`: what the user said, which may be quoted without a source."""
        self.citations: list[Citation] = []
        self.marked: list[Marked] = []
        self.removed: list[Removed] = []
        self._sources = {source.number: source for source in sources}
        self._held, self._own, self._language = held, own_words, language
        self._waiting = ""
        self._length = 0
        """Of what was given back."""

    def feed(self, piece: str) -> str:
        """What can be said now; empty while a sentence is not whole."""
        self._waiting += piece.translate(_UNIFIED).replace(MARK, "")
        return "".join(self._whole_sentences())

    def end(self) -> str:
        """The rest."""
        said = "".join(self._whole_sentences())
        chunk, self._waiting = self._waiting, ""
        return said + (self._checked(chunk) if chunk else "")

    def _whole_sentences(self) -> Iterator[str]:
        while end := self._first_end():
            chunk, self._waiting = self._waiting[:end], self._waiting[end:]
            yield self._checked(chunk)

    def _first_end(self) -> int:
        """Where the first sentence ends: no quote is open there, and no citation of it can follow; 0 for none."""
        for match in _END.finditer(self._waiting):
            line = self._waiting[self._waiting.rfind("\n", 0, match.start()) + 1 : match.end()]
            if match[0].isspace() or not _open(line):
                return match.end()
        return len(self._waiting) if len(self._waiting) > _LONGEST_HELD else 0

    def _checked(self, chunk: str) -> str:
        sentence = _Sentence(chunk, self._sources, self._own, self._language)
        self.removed += sentence.removed
        text, shown, place = sentence.text, "", 0
        ends: list[int] = []
        for start, end in self._held.unfounded(text):
            at = self._length + len(shown) + start - place
            self.marked.append(Marked(text[start:end], at, at + end - start))
            shown, place = shown + text[place:end] + MARK, end
            ends.append(end)
        shown += text[place:]
        for source, span, at in sentence.citations:
            moved = at + len(MARK) * sum(end <= at for end in ends)
            self.citations.append(Citation(source, *span, self._length + moved))
        self._length += len(shown)
        return shown


class _Sentence:
    """One sentence or line: what of it is shown, and what it cites."""

    def __init__(self, chunk: str, sources: dict[int, Source], own_words: Sequence[str], language: str) -> None:
        self.citations: list[tuple[Source, Span, int]] = []
        self.removed: list[Removed] = []
        self._sources, self._own, self._language = sources, own_words, language
        self.text = ""
        self._quoted: dict[int, Span] = {}
        """Quotes that were found in a source and are not cited yet."""
        end = len(chunk.rstrip())
        place = 0
        for match in _QUOTE.finditer(chunk):
            if match.start() >= place:
                self._plain(chunk[place : match.start()])
                self._quote(match[0])
                place = match.end()
        self._plain(chunk[place:end])
        for number in list(self._quoted):
            self._cite(number)
        self.text += chunk[end:]

    def _plain(self, text: str) -> None:
        text, place = _ANY_MARK.sub("", text), 0  # an end without a beginning
        for match in _CITED.finditer(text):
            self.text += text[place : match.start()]
            for number in re.findall(r"\d+", match[1]):
                if not self._cite(int(number)):
                    self.removed.append(Removed("citation", match[0].strip()))
            place = match.end()
        self.text += text[place:]

    def _quote(self, written: str) -> None:
        line = written.lstrip().startswith(">")
        marks = re.findall(r"\d+", " ".join(_CITED.findall(written))) if line else []
        said = _CITED.sub("", written.strip().lstrip("> \t") if line else written[1:].rstrip("”\"」』»’'")).strip(" \t")
        bare = said.strip('“”"') if line else said
        found = self._found(bare, [int(mark) for mark in marks])
        if found is not None:
            number, span = found
            shown = " ".join(self._sources[number].passage.text[slice(*span)].split())
            self.text += f"> {shown}" if line else f"{written[0]}{shown}{_closing(written[0])}"
            self._quoted[number] = span
        elif not bare:
            self.text += written if line else ""
        elif any(find(bare, own) for own in self._own):
            self.text += written
        elif not line and (written[0] in "'‘" or len(bare.split()) <= _NAMED_ONLY):
            self._plain(bare)
        else:
            self.text += translated("(a quote that no source holds was removed)", self._language)
            self.removed.append(Removed("quote", bare))

    def _found(self, quote: str, first: Sequence[int]) -> tuple[int, Span] | None:
        for number in sorted(self._sources, key=lambda number: number not in first):
            span = find(quote, self._sources[number].passage.text)
            if span is not None:
                return number, span
        return None

    def _cite(self, number: int) -> bool:
        """Put the citation behind what is said so far; False where the source does not carry it."""
        source = self._sources.get(number)
        if source is None:
            return False
        span = self._quoted.pop(number, None)
        # What was removed may have been all that the source was cited for.
        if span is None and not any(removed.what == "quote" for removed in self.removed):
            span = carrying(_CITED.sub("", self.text), source)
        if span is None:
            return False
        self.text += "" if self.text.endswith((" ", "\n", "]")) or not self.text else " "
        self.citations.append((source, span, len(self.text)))
        self.text += f"[{number}]"
        return True


def carrying(statement: str, source: Source) -> Span | None:
    """The sentence of the source that says most of the statement; None where the source does not carry it.

    Where the two are in different scripts, most words cannot be compared: one figure or name in common is enough.
    """
    said, text = asked_for(statement), source.passage.text
    spans = list(sentences(text))
    if not said or not spans:
        return None
    whole = f"{source.passage.title}\n{source.passage.heading}\n{text}"
    covered = coverage(said, whole)
    if covered < SUPPORTED and (covered == 0 or _hangul(statement) == _hangul(text)):
        return None
    return max(spans, key=lambda span: coverage(said, text[span[0] : span[1]]))


def _hangul(text: str) -> bool:
    letters = [c for c in text if c.isalpha()]
    return sum(c >= "가" for c in letters) * 2 > len(letters)


def _open(line: str) -> bool:
    """Whether a quote goes on at its end; a quoted line (`> …`) is one up to its break."""
    return (
        line.lstrip().startswith(">")
        or line.count('"') % 2 == 1
        or any(line.count(left) > line.count(right) for left, right in _PAIRS)
    )


def _closing(opening: str) -> str:
    return next((right for left, right in (*_PAIRS, ("‘", "’")) if left == opening), opening)
