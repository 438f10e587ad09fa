"""A question that is read word by word: what a reader understood is taken out, and what is left must mean nothing."""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache

from localfin.text import clean_text

TAKEN = "\x00"

_ENGLISH = """
    a an the of in on at for from to by with and or is are was were be been being do does did has have had its their
    our my your his her it there this these those that which what when how much many please tell me show give find
    calculate compute list i we they you s all both respectively year years fiscal fy ended ending end as per during
    over across within into between each any amount amounts value values number numbers figure figures level total
    overall reported recorded recognized recognised company companys group groups firm table data according based only
    just under about will can made period periods date dates month months day row rows column columns
    make item items entry entries record records case cases time times respective usd dollars dollar won krw money
    sell sold come comes came where whose equals
"""
_PARTICLES = """
    에서의 에서는 에서 에게서 에게 에는 에만 에 의 은 는 이 가 을 를 으로는 으로 로는 로 와의 과의 와 과 이랑 랑 하고
    도 만 까지의 까지 부터 보다는 보다 이나 중에서 중에 중 간의 간 동안의 동안
"""
_AFTER_NUMBERS = "년도 연도 년 월 일 분기 원 건 개 명 회 번 곳 차 말 기 대 달"
_AFTER_NAMES = "값 금액 내역 항목 거래 액수 액 비 사이 사이의"
_STANDING = """
    얼마나 얼마 몇 무엇 뭐 언제 어떻게 어떤 어느 무슨 기준 기간 동안 중에서 중에 중 가운데 사이 대해 대해서 대한 관한
    관해 내역 항목 데이터 자료 표 목록 기록 것 거 건 수 때 모든 모두 전부 전체 총 그 각 각각 값 금액 액수 규모 좀 우리
    내가 나 제 저 이 및 그리고 년도 연도 회계연도 사업연도 분기 당시 시점 건수 개수 횟수 정도 실제 경우 행 줄
    개 건 명 번 회 곳 가지 돈
    알려주세요 알려줘요 알려줘 알려주십시오 보여주세요 보여줘 구해주세요 구해줘 구하시오 계산해주세요 계산해줘
    계산해 말해줘 말해주세요 주세요 줘 해줘 해주세요 찾아줘 찾아주세요 궁금해 궁금해요
"""
_ENDING = (
    "(?:나요|나|어요|어|아요|아|습니까|습니다|는지요|는지|니|지요|지|죠|다|는가요|는가|던|을까요|을까|는|은|을|고)?"
)
_VERBS = (
    f"(?:했|됐|되었|하였|썼|였|이었|있|냈|받았|나왔|나갔|들어왔|들어갔|들었|빠졌|되|하){_ENDING}"
    "|한|할|하는|갚은|남은|된|되는|될|쓴|쓰는|낸|받은|나간|나온|들어온|들어간|든|인가요|인가|인지|인|이야|야|이에요|예요|에요|입니까|입니다"
    "|합니까|합니다|됩니까|됩니다|이냐|일까요|일까|이지|이죠|죠|이니|니|요"
)


def plain(text: str) -> str:
    """As questions and labels are compared: NFKC, small letters, one space, plain quotes and dashes."""
    text = unicodedata.normalize("NFKC", clean_text(text)).lower()
    text = re.sub("[\u2018\u2019\u201a\u201b`\u00b4]", "'", text)
    text = re.sub("[\u201c\u201d\u201e\u00ab\u00bb]", '"', text)
    return " ".join(re.sub("[\u2010-\u2015\u2212]", "-", text).split())


class Words:
    """What of a question is not understood yet."""

    def __init__(self, question: str) -> None:
        self.text = plain(question)
        self.rest = self.text

    def take(self, pattern: str | re.Pattern[str]) -> re.Match[str] | None:
        """The first place where the pattern fits; it is understood from then on."""
        match = re.search(pattern, self.rest)
        if match and match.end() > match.start():
            self.cut(*match.span())
        return match

    def has(self, pattern: str | re.Pattern[str]) -> bool:
        return re.search(pattern, self.rest) is not None

    def cut(self, start: int, end: int) -> None:
        self.rest = self.rest[:start] + TAKEN * (end - start) + self.rest[end:]

    def _before(self, start: int) -> str:
        """What was understood right before a place: `number`, `name` or nothing."""
        if not self.rest[:start].endswith(TAKEN):
            return ""
        return "number" if self.text[start - 1].isdigit() else "name"

    def put_back(self, start: int, end: int) -> None:
        self.rest = self.rest[:start] + self.text[start:end] + self.rest[end:]

    def left(self, harmless: Iterable[str] = ()) -> list[str]:
        """The words that nobody understood and that mean something."""
        known = english().union(harmless)
        return [
            match[0]
            for match in re.finditer(r"[^\W_]+", self.rest)
            if not _means_nothing(match[0], known, after=self._before(match.start()))
        ]


def _means_nothing(word: str, known: Iterable[str], *, after: str) -> bool:
    if word in known or (word.isascii() and word.endswith("s") and word[:-1] in known):
        return True
    return bool(_fillers(after).fullmatch(word))


def is_filler(word: str) -> bool:
    """Whether a word means nothing of its own in a question."""
    return _means_nothing(word, english(), after="")


@cache
def english() -> frozenset[str]:
    """English words that mean nothing of their own in a question."""
    return frozenset(_ENGLISH.split())


@cache
def _fillers(after: str) -> re.Pattern[str]:
    """Korean words without a meaning of their own: alone, or attached to a name or a number that was understood."""
    particles = f"(?:{'|'.join(_PARTICLES.split())})*"
    nouns = "|".join({"": _STANDING, "name": _AFTER_NAMES, "number": _AFTER_NUMBERS}[after].split())
    if after:
        return re.compile(f"(?:{nouns})?{particles}(?:{_VERBS})?")
    return re.compile(f"(?:{nouns}){particles}(?:{_VERBS})?|(?:{_VERBS})")


def label_pattern(label: str) -> re.Pattern[str] | None:
    """What finds a label in a question: its words in order, whatever stands between them; None for no words.

    English plurals and possessives, articles and commas make no difference, nor do blanks in Korean.
    """
    tokens = re.findall(r"[a-z]+(?:'s)?|\d+(?:[.,]\d+)*|[가-힣]+|%|[^\W\d_]+", plain(label))
    tokens = [token.removesuffix("'s") for token in tokens if token not in ("the", "a", "an", "of", "and", "s")]
    if not tokens:
        return None
    between = r"(?:[^\w\x00]|\b(?:the|a|an|of|and|s)\b)*?"
    return re.compile(
        _edge(tokens[0], before=True) + between.join(_one(token) for token in tokens) + _edge(tokens[-1], before=False)
    )


def _one(token: str) -> str:
    if token == "%":
        return "(?:%|percent(?:age)?s?)"
    if re.fullmatch("[가-힣]+", token):
        return r"\s?".join(map(re.escape, token))
    if token.isalpha() and token.isascii() and len(token) > 2:
        stem = (
            token[:-3] + "(?:y|ies)"
            if token.endswith("ies")
            else token[:-1] + "(?:y|ies)"
            if token.endswith("y")
            else ""
        )
        return stem or re.escape(token.removesuffix("s")) + "(?:s|es)?"
    return re.escape(token)


def _edge(token: str, *, before: bool) -> str:
    if before:
        return r"(?<![^\W_])"
    return r"(?:'s)?(?![a-z0-9])" if token.isascii() else "" if re.search("[가-힣]$", token) else r"(?![^\W_])"
