"""Questions about terms (`terms.tsv`), everyday money questions (`faq.tsv`), and questions the starter must decline."""

import csv
import random
from dataclasses import dataclass
from pathlib import Path

from recipes.example import LANGUAGES, Example, divide, is_held, loosen
from recipes.text import fill

HERE = Path(__file__).parent

DEFINE = {
    "ko": (
        "{t}(이/)란 무엇인가요?",
        "{t}(이/가) 뭐야?",
        "{t}의 뜻을 알려주세요.",
        "{t}(을/를) 설명해줘.",
        "{t}(은/는) 무엇입니까?",
        "{t} 뜻",
        "{t}(이/)란?",
        "{t}(이/가) 뭔지 쉽게 설명해 주세요.",
        "{t}에 대해 알려줘",
        "{t}의 의미는?",
        "{t}(은/는) 무슨 뜻이에요?",
        "{t}(이/가) 뭐예요?",
        "금융 용어 {t}(을/를) 설명해주세요.",
        "{t}(을/를) 한 문장으로 정의해줘",
        "{t}",
        "{t}(이/가) 무엇인지 궁금합니다.",
    ),
    "en": (
        "What is {t}?",
        "What does {t} mean?",
        "Explain {t}.",
        "Define {t}.",
        "Tell me about {t}.",
        "{t} meaning",
        "Can you explain {t}?",
        "What is meant by {t}?",
        "Please explain {t} in simple words.",
        "Give a definition of {t}.",
        "What's {t}?",
        "Describe {t}.",
        "I do not understand {t}.",
        "In finance, what is {t}?",
        "{t}",
        "Could you tell me what {t} is?",
    ),
}
SUBJECTS = ("{t}(이/가)", "{t}(은/는)", "{t}", "{t}(이/)란", "{t}(이/)라는 게")
ENDINGS = (
    "뭔가요?", "뭐죠?", "뭔데?", "무슨 뜻이야?", "무엇이에요?", "뭔지 알려주세요",
    "뭔지 설명 부탁해요", "뭐니?", "무엇인지 알려줘", "뭔지 모르겠어요", "무엇을 말해?", "뭘 뜻해?",
)  # fmt: skip
# Ways to ask for a definition that only the adapter learns.
DEFINE_MORE = {
    "ko": (
        *(f"{subject} {ending}" for subject in SUBJECTS for ending in ENDINGS),
        "{t} 설명", "{t} 설명 부탁해요", "{t} 알려줘", "{t}(을/를) 알려주세요", "{t}(을/를) 쉽게 알려줘",
        "{t} 개념", "{t} 정의", "{t} 의미", "{t}의 개념을 설명해 주세요", "{t}(을/를) 가르쳐줘",
        "{t}(을/를) 간단히 설명해 주세요", "{t}에 대해 설명해 주세요",
        "{t}(을/를) 모르겠어요", "{t}(이/)란 말이 궁금해요",
    ),
    "en": (
        "What exactly is {t}?", "What is a {t}?", "What's a {t}?", "Tell me what {t} is", "Tell me what {t} means",
        "Could you explain {t}?", "I want to know about {t}", "{t} explained", "{t} definition", "{t}?",
        "How would you define {t}?", "What do you mean by {t}?", "Give me the meaning of {t}", "Explain what {t} is",
        "Teach me about {t}", "Can you define {t}?", "Do you know {t}?", "A simple explanation of {t}",
        "Help me understand {t}", "What is the meaning of {t}?", "Information on {t}", "What kind of thing is {t}?",
        "Please define {t}", "What is the definition of {t}?", "I have a question about {t}",
    ),
}  # fmt: skip
REVERSE = {
    "ko": (
        "{d} 이것을 무엇이라고 하나요?",
        "다음 설명에 맞는 금융 용어는? {d}",
        "{d} 이 용어의 이름은?",
        "어떤 용어인가요? {d}",
    ),
    "en": (
        "Which term means {d}",
        "Name the financial term: {d}",
        "What do we call {d}",
        "Which word is this? It is {d}",
    ),
}
OFF_TOPIC = {
    "ko": (
        (
            "날씨",
            "김치찌개",
            "축구 경기",
            "영화",
            "파이썬 코드",
            "강아지",
            "여행지",
            "수학 문제",
            "시",
            "노래",
            "세계 역사",
            "저녁 메뉴",
            "게임",
            "연예인",
            "자동차 수리",
            "운동 방법",
            "감기약",
            "화성",
            "한국 대통령",
            "영어 번역",
            "공룡",
            "커피",
            "서울 맛집",
            "연애 상담",
            "태양계",
            "별자리",
            "드라마",
            "다이어트",
            "고양이",
            "기타 연주",
        ),
        (
            "{x}에 대해 알려줘",
            "{x}(을/를) 추천해줘",
            "{x}(이/가) 궁금해요.",
            "{x} 좀 도와줘",
            "{x} 이야기 해줘",
            "{x}(은/는) 어때?",
            "오늘 {x} 알려줘",
            "{x}(을/를) 만들어줘",
        ),
        "저는 금융을 돕는 작은 스타터 모델이라 그 질문에는 답할 수 없습니다. "
        "금융 용어, 계산 방법, 이상 거래에 대해 물어보세요.",
    ),
    "en": (
        (
            "the weather",
            "a recipe",
            "football",
            "a movie",
            "Python code",
            "dogs",
            "a holiday trip",
            "a maths problem",
            "a poem",
            "a song",
            "world history",
            "dinner",
            "a video game",
            "an actor",
            "car repair",
            "exercise",
            "cold medicine",
            "Mars",
            "the president",
            "a translation",
            "dinosaurs",
            "coffee",
            "restaurants",
            "dating",
            "the solar system",
            "astrology",
            "a TV show",
            "a diet",
            "cats",
            "the guitar",
        ),
        (
            "Tell me about {x}",
            "Recommend {x}",
            "What do you know about {x}?",
            "Help me with {x}",
            "Write something about {x}",
            "What about {x}?",
            "I want to know about {x}",
            "Can you make {x}?",
        ),
        "I am a small starter model for finance and cannot answer that. Ask me about financial terms, formulas or "
        "suspicious transactions.",
    ),
}


@dataclass(frozen=True, slots=True)
class Term:
    names: tuple[str, ...]  # the first is the usual one
    definition: str

    def answer(self, name: str, language: str) -> str:
        if language == "ko":
            return fill("{t}(은/는) {d}", {"t": name, "d": self.definition})
        return f"{name[0].upper()}{name[1:]} is {self.definition}"


def table(name: str) -> list[dict[str, str]]:
    """The rows of one of the tables beside this file."""
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def terms(language: str) -> list[Term]:
    return [Term(tuple(row[language].split("/")), row[f"{language}_definition"]) for row in table("terms.tsv")]


TERMS = {language: terms(language) for language in LANGUAGES}
FAQ = table("faq.tsv")
CHAT = table("chat.tsv")
# The 2,350 syllables of KS X 1001: every one gets a place in the vocabulary and is seen in training.
HANGUL = tuple(c for code in range(0xAC00, 0xD7A4) if len((c := chr(code)).encode("euc_kr")) == 2)
SYLLABLES = {
    "ko": HANGUL,
    "en": tuple(
        a + b
        for a in ("b", "br", "d", "f", "g", "gl", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z")
        for b in ("a", "e", "o", "in", "ul")
    ),
}


def definition(language: str, held: bool, rng: random.Random) -> Example:
    term = rng.choice(TERMS[language])
    name = rng.choice(term.names)
    question = fill(rng.choice(divide(DEFINE[language], held)), {"t": name})
    return Example(
        "definition", language, loosen(question, language, rng), "", term.answer(name, language), term.definition
    )


def definition_more(language: str, held: bool, rng: random.Random) -> Example:
    """A definition asked for in further ways; one time in eight of a word that does not exist, to decline.

    The held-out side asks as `definition` does: none of these further ways is held out.
    """
    if held:
        return definition(language, held, rng)
    phrasing = rng.choice(DEFINE_MORE[language])
    if rng.random() < 0.125:
        question = fill(phrasing, {"t": made_up(language, held, rng)})
        return Example("refusal", language, loosen(question, language, rng), "", OFF_TOPIC[language][2], "refusal")
    term = rng.choice(TERMS[language])
    name = rng.choice(term.names)
    question = loosen(fill(phrasing, {"t": name}), language, rng)
    return Example("definition", language, question, "", term.answer(name, language), term.definition)


def named_term(language: str, held: bool, rng: random.Random) -> Example:
    term = rng.choice(TERMS[language])
    question = rng.choice(divide(REVERSE[language], held)).format(d=term.definition)
    name = term.names[0]
    answer = fill("{t}입니다." if language == "ko" else "It is {t}.", {"t": name})
    return Example("term", language, question, "", answer, name)


def everyday(language: str, held: bool, rng: random.Random) -> Example:
    row = rng.choice(FAQ)
    question = rng.choice(divide(row[f"{language}_questions"].split("/"), held))
    return Example("question", language, loosen(question, language, rng), "", row[f"{language}_answer"], row["topic"])


def chat(language: str, held: bool, rng: random.Random) -> Example:
    """Further ways to ask for what the other questions answer: a topic of `faq.tsv`, a term, or a refusal."""
    row = rng.choice(CHAT)
    question = rng.choice(divide(row[f"{language}_questions"].split("/"), held))
    return Example(
        "question", language, loosen(question, language, rng), "", topic_answer(row["topic"], language), row["topic"]
    )


def topic_answer(topic: str, language: str) -> str:
    if topic == "refusal":
        return OFF_TOPIC[language][2]
    for row in FAQ:
        if row["topic"] == topic:
            return row[f"{language}_answer"]
    index = next(i for i, term in enumerate(TERMS["ko"]) if term.names[0] == topic)
    term = TERMS[language][index]
    return term.answer(term.names[0], language)


def made_up(language: str, held: bool, rng: random.Random) -> str:
    """A word without meaning, so that the starter declines instead of inventing a definition."""
    syllables = SYLLABLES[language]
    while True:
        word = "".join(rng.choice(syllables) for _ in range(rng.randint(2, 4)))
        if is_held(word) == held:
            return word


def refusal(language: str, held: bool, rng: random.Random) -> Example:
    """An everyday subject outside finance, or, two times in five, a word that does not exist."""
    subjects, phrasings, answer = OFF_TOPIC[language]
    if rng.random() < 0.4:
        subject = made_up(language, held, rng)
        question = fill(rng.choice(divide(DEFINE[language], held)), {"t": subject})
    else:
        subject = rng.choice(divide(subjects, held))
        question = fill(rng.choice(divide(phrasings, held)), {"x": subject})
    return Example("refusal", language, loosen(question, language, rng), "", answer, "refusal")
