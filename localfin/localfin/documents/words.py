"""Splits text into the words that the index knows, the same way for documents and for questions.

Hangul (as Han and kana) becomes its pairs of syllables, which finds a noun whatever particle follows it; English words
become their Porter stems without stop words; numbers lose their commas, and an amount with a unit stands as its value,
too (`5억원`, `500 million`: 500000000); `FY2019`, `'19` and `19년도` are the year 2019, `1Q19` and `1분기` are `q1`. A
word is made of letters and digits of any script and of points, so that it means nothing to SQLite's query language.
"""

import re
import threading
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from functools import cache, lru_cache
from itertools import pairwise

import apsw

LONGEST = 48
"""Letters of a word that count: nobody asks for the rest of an encoded blob."""

_HANGUL = "ㄱ-ㅎㅏ-ㅣ가-힣"
_HAN = "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_TOKEN = re.compile(
    rf"(?P<hangul>[{_HANGUL}]+)"
    rf"|(?P<fiscal>\bfy ?['’]?(?:\d{{4}}|\d\d)(?!\d)|['’‘]\d\d(?!\d)(?:년도?)?|(?<!\d)\d\d년도)"
    rf"|(?P<quarter>(?<![^\W_])(?:[1-4]q(?:\d{{4}}|\d\d)?|q[1-4])(?![^\W_])|(?<!\d)[1-4] ?분기)"
    rf"|(?P<amount>(?P<value>{_NUMBER}) ?(?:(?P<unit>조|천억|백억|십억|억|천만|백만|만|천)(?=[ 원달유엔위]|$)"
    rf"|(?P<english>thousand|million|billion|trillion|mn|bn)\b))"
    rf"|(?P<number>(?:{_NUMBER})(?![a-z]))"
    rf"|(?P<han>[{_HAN}]+)"
    rf"|(?P<word>[^\W_{_HANGUL}{_HAN}]+)"
    rf"|(?P<sign>[$€£¥₩])"
)
_UNITS = {
    "천": 3, "만": 4, "백만": 6, "천만": 7, "억": 8, "십억": 9, "백억": 10, "천억": 11, "조": 12,
    "thousand": 3, "million": 6, "mn": 6, "billion": 9, "bn": 9, "trillion": 12,
}  # fmt: skip
_UNIT_WORDS = {3: "thousand", 6: "million", 9: "billion", 12: "trillion"}
_CURRENCIES = {
    "$": "usd", "€": "eur", "£": "gbp", "¥": "jpy", "₩": "krw", "원": "krw", "달러": "usd", "유로": "eur", "엔": "jpy"
}  # fmt: skip
_UNIT_OF_TABLE = re.compile(r"(천|만|백만|억|십억|조)?(원|달러|유로|엔)")
_PARTICLES = frozenset("은는이가을를의에도와과로만")
_QUESTION = re.compile(r"(?:무엇|누구|어디|언제|얼마|어떤|어느|무슨|어떻|어째|몇|왜|뭐|뭘|뭔).*")
_QUESTION_END = re.compile(r"(?:이란|이?었나요?|였나요?|인가요?|인지요?|입니까|이에요|예요|이야|이냐|은요|는요)$")
_ENGLISH_STOP = """
    a about above after again against all also am an and any are as at be because been before being below between both
    but by can could did do does doing down during each few for from further had has have having he her here hers him
    his how i if in into is it its itself just me more most much many my no nor not of off on once only or other our
    ours out over own s same she should so some such than that the their theirs them then there these they this those
    through to too under until up us very was we were what when where which while who whom whose why will with would
    you your yours
"""
_NAMES = re.compile(r"\b(?:IT|US|WHO)\b")
"""Stop words that are names when written in capitals."""
_STOP = frozenset(_ENGLISH_STOP.split())
_STEMMING = threading.Lock()


def words(text: str) -> list[str]:
    """The words of a text, in order, as often as they stand in it; one place may give several."""
    composed = unicodedata.normalize("NFKC", text)
    found: list[str] = []
    for match in _TOKEN.finditer(_without_case(composed)):
        # Most runs are Hangul or English: asked here, a search in Korean takes a quarter less.
        kind = match.lastgroup
        if kind == "hangul":
            found += _of_hangul(match[0])
        elif kind == "word":
            found += _of_word(match[0])
        else:
            found += _words_of(match)
    return found + [name.lower() for name in _NAMES.findall(composed)]


def question_words(text: str) -> list[Sequence[str]]:
    """The words of a question by the run of letters that gave them, without what only asks (`무엇인가요`, `how`)."""
    composed = unicodedata.normalize("NFKC", text)
    runs = [
        _of_hangul(_asked_for(match[0])) if match.lastgroup == "hangul" else _words_of(match)
        for match in _TOKEN.finditer(_without_case(composed))
    ]
    return [run for run in runs if run] + [[name.lower()] for name in _NAMES.findall(composed)]


def normal(text: str) -> str:
    """NFKC without case: what the spellings of one word have in common."""
    return _without_case(unicodedata.normalize("NFKC", text))


def _without_case(composed: str) -> str:
    return unicodedata.normalize("NFKC", composed.casefold())


def _words_of(match: re.Match[str]) -> Sequence[str]:
    run = match[0]
    match match.lastgroup:
        case "hangul":
            return _of_hangul(run)
        case "word":
            return _of_word(run)
        case "number":
            return (_plain(run),)
        case "han":
            return _pairs(run)
        case "fiscal":
            return (_year(run),)
        case "quarter":
            return ("q" + next(letter for letter in run if letter in "1234"),)
        case "sign":
            return (_CURRENCIES[run],)
        case _:
            return _of_amount(match["value"], match["unit"] or match["english"])


@lru_cache(65536)
def _of_hangul(run: str) -> tuple[str, ...]:
    """Pairs of syllables; a noun of one syllable with its particle alone, too; a table's unit in English words."""
    if len(run) < 2:
        return () if run in _PARTICLES or run in ("", "년") else (_CURRENCIES.get(run, run),)
    noun = run[:-1] if run[-1] in _PARTICLES else run
    alone = (noun,) if len(noun) == 1 else ()
    unit = _UNIT_OF_TABLE.fullmatch(noun)
    if unit is None:
        return (*_pairs(run), *alone)
    scale = _UNIT_WORDS.get(_UNITS.get(unit[1], 0), "")
    return (*_pairs(run), *([scale] if scale else []), _CURRENCIES[unit[2]])


@lru_cache(65536)
def _asked_for(run: str) -> str:
    """What a run of Hangul in a question asks for: nothing of what only asks, nor the particle at its end."""
    if _QUESTION.fullmatch(run):
        return ""
    run = _QUESTION_END.sub("", run)
    return run[:-1] if len(run) > 2 and run[-1] in _PARTICLES else run


@lru_cache(65536)
def _of_word(word: str) -> tuple[str, ...]:
    if word in _STOP or (len(word) == 1 and word.isascii()):
        return ()
    with _STEMMING:
        stems = _porter()(
            word[:LONGEST].encode(), apsw.FTS5_TOKENIZE_DOCUMENT, None, include_offsets=False, include_colocated=False
        )
    return tuple(str(stem) for stem in stems)


@cache
def _porter() -> apsw.FTS5Tokenizer:
    """SQLite's own, so that no second stemmer is needed."""
    return apsw.Connection(":memory:").fts5_tokenizer("porter", ["ascii"])


def _of_amount(value: str, unit: str) -> tuple[str, ...]:
    plain, power = _plain(value), _UNITS[unit]
    full = format(Decimal(plain).scaleb(power), "f")
    named = (_UNIT_WORDS[power],) if power in _UNIT_WORDS else ()
    return (plain, _plain(full)[:LONGEST], *named)


def _plain(number: str) -> str:
    """Without commas and without noughts behind the point: `1,496.50` is 1496.5."""
    digits = number.replace(",", "")
    return (digits.rstrip("0").rstrip(".") if "." in digits else digits)[:LONGEST]


def _year(run: str) -> str:
    digits = "".join(filter(str.isdigit, run))
    return digits if len(digits) == 4 else f"{'20' if digits < '70' else '19'}{digits}"


def _pairs(run: str) -> tuple[str, ...]:
    return tuple(map("".join, pairwise(run))) or (run,)
