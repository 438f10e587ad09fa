"""Questions answered from a given text: a product sheet with an invented name, and one fact asked, there or missing."""

import random
from collections.abc import Callable

from recipes.example import Example, divide, is_held
from recipes.text import MAN, fill, won

Draw = Callable[[random.Random, str], str]


def _percent(rng: random.Random, language: str) -> str:
    number = f"{rng.randint(5, 95) / 10:.1f}%"
    return f"연 {number}" if language == "ko" else f"{number} a year"


def _months(rng: random.Random, language: str) -> str:
    number = rng.choice((3, 6, 12, 18, 24, 36, 48, 60))
    return f"{number}개월" if language == "ko" else f"{number} months"


def _money(rng: random.Random, language: str) -> str:
    return won(rng.choice((rng.randint(1, 99), rng.randint(1, 50) * 100)) * MAN, language, 0)


def _age(rng: random.Random, language: str) -> str:
    number = rng.randint(14, 65)
    return f"만 {number}세 이상" if language == "ko" else f"{number} years or older"


def _channel(rng: random.Random, language: str) -> str:
    return rng.choice(
        ("영업점", "모바일 앱", "인터넷 뱅킹", "전화")
        if language == "ko"
        else ("branch", "mobile app", "website", "telephone")
    )


def _day(rng: random.Random, language: str) -> str:
    month, day = rng.randint(1, 12), rng.randint(1, 28)
    return f"{month}월 {day}일" if language == "ko" else f"{day}/{month}"


# (Korean name, English name) and how a value is drawn
FACTS: tuple[tuple[tuple[str, str], Draw], ...] = (
    (("금리", "interest rate"), _percent),
    (("가입 기간", "term"), _months),
    (("최소 금액", "minimum amount"), _money),
    (("월 납입 한도", "monthly limit"), _money),
    (("가입 대상", "eligible age"), _age),
    (("가입 방법", "way to join"), _channel),
    (("우대금리", "bonus rate"), _percent),
    (("수수료", "fee"), _money),
    (("판매 종료일", "last day of sale"), _day),
    (("대출 한도", "loan limit"), _money),
)
FIRST = {
    "ko": ("희망", "푸른", "새싹", "튼튼", "한빛", "든든", "행복", "바다", "소나무", "미래"),
    "en": ("Hope", "Blue", "Sprout", "Strong", "Bright", "Steady", "Happy", "Ocean", "Pine", "Future"),
}
SECOND = {
    "ko": ("정기예금", "적금", "대출", "통장", "카드", "펀드", "연금", "보험"),
    "en": ("Deposit", "Savings", "Loan", "Account", "Card", "Fund", "Pension", "Insurance"),
}
ASK = {
    "ko": (
        "{f}(은/는) 얼마인가요?",
        "다음 내용에서 {f}(을/를) 찾아줘",
        "{f}(이/가) 뭐야?",
        "{f}(을/를) 알려주세요.",
        "이 상품의 {f}(은/는)?",
        "문서를 보고 {f}(을/를) 답해줘",
        "{f}?",
        "아래 설명에 따르면 {f}(은/는) 무엇인가요?",
    ),
    "en": (
        "What is the {f}?",
        "Find the {f} in the text.",
        "Tell me the {f}.",
        "What does the text say about the {f}?",
        "The {f} of this product?",
        "According to the text, what is the {f}?",
        "{f}?",
        "Read the text and give the {f}.",
    ),
}
SAY = {"ko": "{f}(은/는) {v}입니다.", "en": "The {f} is {v}."}
MISSING = {"ko": "주어진 내용에는 {f}(이/가) 나와 있지 않습니다.", "en": "The text does not give the {f}."}


def write_sheet(name: str, facts: list[tuple[str, str]], language: str, style: int) -> str:
    """The facts as one line, as a list, or as sentences."""
    if style == 0:
        return f"{name}. " + ", ".join(f"{field} {value}" for field, value in facts) + "."
    if style == 1:
        return f"{name}\n" + "\n".join(f"{field}: {value}" for field, value in facts)
    title = f"{name}." if language == "en" else f"{name}입니다."
    return " ".join([title, *(fill(SAY[language], {"f": field, "v": value}) for field, value in facts)])


def reading(language: str, held: bool, rng: random.Random) -> Example:
    column = 0 if language == "ko" else 1
    while True:
        name = rng.choice(FIRST[language]) + ("" if language == "ko" else " ") + rng.choice(SECOND[language])
        drawn = rng.sample(FACTS, rng.randint(3, 5))
        facts = [(names[column], draw(rng, language)) for names, draw in drawn]
        if is_held(name, tuple(facts)) == held:
            break
    if rng.random() < 0.15:
        present = {field for field, _ in facts}
        field = rng.choice([names[column] for names, _ in FACTS if names[column] not in present])
        output = fill(MISSING[language], {"f": field})
    else:
        field, value = rng.choice(facts)
        output = fill(SAY[language], {"f": field, "v": value})
    sheet = write_sheet(name, facts, language, rng.randrange(3))
    question = fill(rng.choice(divide(ASK[language], held)), {"f": field})
    return Example("reading", language, question, sheet, output, field)
