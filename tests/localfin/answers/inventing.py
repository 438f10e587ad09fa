"""Answers as a model that invents would write them, and a look at what was shown that shares no code with the check."""

import random
import re
import unicodedata

from localfin.assistant import Answer

QUOTES = (
    "우리는 내년에 매출이 두 배로 늘 것으로 본다", "The board approved a dividend of 9,999 won per share",
    "원금은 100% 보장됩니다",
    "profits tripled in a single quarter", "금융감독원이 이 상품을 공식 추천하였다",
    "no customer has ever lost money here",
)  # fmt: skip
MARKS = (("“", "”"), ('"', '"'), ("「", "」"), ("『", "』"), ("«", "»"), ("〝", "〞"), ("＂", "＂"), ("‘", "’"))
FIGURES = ("77.7%", "3,141억 원", "1999년 2월 30일", "$8.25 million", "오십삼 퍼센트", "27.5배", "6,543건", "G99")


def invented(passages: list[str], seed: int) -> str:
    """Some true quotes, changed quotes, quotes of nothing, marks of sources that are there or not, and figures."""
    random_ = random.Random(seed)
    said: list[str] = []
    for _sentence in range(random_.randint(2, 6)):
        text = random_.choice(passages) if passages else random_.choice(QUOTES)
        words = text.split()
        start = random_.randrange(max(1, len(words) - 6))
        piece = " ".join(words[start : start + random_.randint(3, 9)])
        if random_.random() < 0.5 and len(piece) > 8:  # one letter or figure of it is another
            at = random_.randrange(1, len(piece) - 1)
            piece = piece[:at] + random_.choice("가나다xyz789") + piece[at + 1 :]
        quote = random_.choice([piece, random_.choice(QUOTES)])
        left, right = random_.choice(MARKS)
        right = "" if random_.random() < 0.1 else right
        mark = random_.choice(["", " [1]", "[2]", " [1][7]", " [1, 2]", " [99]", " [0]"])
        figure = random_.choice(
            ["", f" 규모는 {random_.choice(FIGURES)}입니다.", f" It was {random_.choice(FIGURES)}."]
        )
        said.append(random_.choice([
            f"{left}{quote}{right}{mark}.{figure}",
            f"보고서는 {left}{quote}{right}라고 합니다{mark}.{figure}",
            f"> {quote}{mark}\n",
            f"{random_.choice(QUOTES)}{mark}.{figure}",
            f"{random_.randint(1, 9)}. {left}{quote}{right}\n{mark}",
        ]))  # fmt: skip
    return random_.choice([" ", "\n", "\n\n"]).join(said)


def unverified(answer: Answer, question: str) -> list[str]:
    """Citations whose quote is not in their source, marks without a citation, quoted words that no source holds."""
    wrong: list[str] = []
    for citation in answer.citations:
        source = citation.source.passage.text
        if not citation.quote or source[citation.start : citation.end] != citation.quote:
            wrong.append(f"citation {citation.quote!r}")
        if citation.source not in answer.sources:
            wrong.append(f"source {citation.source.number}")
    places = {citation.at for citation in answer.citations}
    wrong += [match[0] for match in re.finditer(r"\[\d+\]", answer.text) if match.start() not in places]
    held = [_plain(source.passage.text) for source in answer.sources] + [_plain(question)]
    for match in re.finditer(r"[“「『«‘]([^”」』»’\n]*)[”」』»’]?|\"([^\"\n]*)\"?|(?m:^>(.*)$)", answer.text):
        quote = _plain(re.sub(r"\[\d+\]|\[\?\]", "", match[1] or match[2] or match[3] or ""))
        if quote.strip(" .,") and not any(quote.strip(" .,") in text for text in held):
            wrong.append(match[0])
    return wrong


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFC", text).casefold()
    text = re.sub("[“”„‟″「」『』«»]", '"', re.sub("[‘’‚‛′]", "'", re.sub("[–—−‐‑]", "-", text)))
    return " ".join(re.sub("[ㆍ・]", "·", text).split())
