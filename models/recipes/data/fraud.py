"""Transactions, suspicious and normal, with the verdict and its reasons in the seed's wording.

The truth of a case is decided by its signals (`fraud.tsv`, and amount, time, place and payee below), never by wording.
Near misses are among the normal ones: a large sum to a registered payee, a small one abroad or at night.
"""

import random
from dataclasses import dataclass

from recipes.data.knowledge import table
from recipes.example import Example, divide, is_held
from recipes.text import MAN, fill, particles, won

TYPES = {
    "voice_phishing": ("보이스피싱", "voice phishing"),
    "mule_account": ("대포통장", "mule account"),
    "smishing": ("스미싱", "smishing"),
    "messenger_phishing": ("메신저피싱", "messenger phishing"),
    "account_takeover": ("계정 탈취", "account takeover"),
    "card_testing": ("카드 테스팅", "card testing"),
    "structuring": ("쪼개기 거래", "structuring"),
    "mule_chain": ("연쇄 이체", "mule chain"),
    "dormant_account": ("휴면 계좌 재사용", "dormant account reactivated"),
    "impossible_travel": ("불가능한 이동", "impossible travel"),
    "night_foreign": ("심야 해외 이용", "night-time foreign use"),
    "first_payee": ("처음 거래하는 수취인", "first-time payee"),
    "normal": ("정상", "normal"),
}
SLOTS = {
    "agency": (
        ("검찰", "a prosecutor"),
        ("경찰", "the police"),
        ("금융감독원", "the financial supervisor"),
        ("은행 직원", "a bank clerk"),
        ("국세청", "the tax office"),
        ("카드사", "the card company"),
    ),
    "bait": (
        ("택배", "parcel"),
        ("청첩장", "wedding invitation"),
        ("건강검진", "health check"),
        ("과태료", "traffic fine"),
        ("환급금", "refund"),
        ("부고", "funeral notice"),
    ),
    "kin": (
        ("딸", "daughter"),
        ("아들", "son"),
        ("동생", "brother"),
        ("친구", "friend"),
        ("조카", "nephew"),
        ("상사", "boss"),
    ),
    "city": (
        ("서울", "Seoul"),
        ("부산", "Busan"),
        ("대구", "Daegu"),
        ("인천", "Incheon"),
        ("광주", "Gwangju"),
        ("제주", "Jeju"),
    ),
    "far": (
        ("런던", "London"),
        ("뉴욕", "New York"),
        ("파리", "Paris"),
        ("두바이", "Dubai"),
        ("방콕", "Bangkok"),
        ("도쿄", "Tokyo"),
        ("시드니", "Sydney"),
    ),
}
LABELS = {
    "ko": {"amount": "금액", "time": "시간", "place": "위치", "payee": "수취인"},
    "en": {"amount": "amount", "time": "time", "place": "location", "payee": "payee"},
}
ASK = {
    "ko": (
        "다음 거래가 이상 거래인지 판단해주세요.",
        "이 거래가 이상한지 봐줘",
        "다음 거래를 분석해주세요.",
        "이 거래는 사기인가요?",
        "이 거래에 문제가 있는지 확인해줘.",
        "다음 거래의 이상 여부와 이유를 알려주세요.",
        "이 거래를 점검해줘",
        "다음 거래가 의심스러운가요?",
        "이상 거래 여부를 판단해줘.",
        "다음 거래의 위험을 설명해주세요.",
        "이 거래 정상이야?",
        "다음은 고객의 거래입니다. 이상 거래입니까?",
    ),
    "en": (
        "Decide whether the following transaction is suspicious.",
        "Is this transaction suspicious?",
        "Analyse the following transaction.",
        "Is this fraud?",
        "Check this transaction.",
        "Does this transaction look normal? Give reasons.",
        "Judge the following transaction.",
        "Is the following transaction fraudulent?",
        "Tell me whether this transaction is unusual.",
        "Explain the risk of this transaction.",
        "Is this transaction normal?",
        "Here is a customer's transaction. Is it suspicious?",
    ),
}
SHOPS = (
    ("편의점", "convenience store"),
    ("식당", "restaurant"),
    ("마트", "supermarket"),
    ("커피숍", "coffee shop"),
    ("약국", "pharmacy"),
    ("서점", "bookstore"),
)


@dataclass(frozen=True, slots=True)
class Signal:
    field: str
    value: str
    reason: str


def clock(night: bool, language: str, rng: random.Random) -> str:
    """A time of day: 0 to 4 o'clock at night, 8 to 21 by day."""
    hour = rng.randint(1, 4) if night else rng.randint(8, 21)
    if rng.random() < 0.3:
        return f"{hour:02d}:{rng.randrange(0, 60, 5):02d}"
    if language == "en":
        return f"{hour} a.m." if hour < 12 else ("12 p.m." if hour == 12 else f"{hour - 12} p.m.")
    if night:
        return f"새벽 {hour}시"
    return f"오전 {hour}시" if hour < 12 else f"오후 {hour - 12 or 12}시"


def amount_signal(amount: int, high: bool, language: str, style: int) -> Signal:
    text = won(amount, language, style)
    if language == "ko":
        reason = f"평소 대비 매우 높은 금액 {text}" if high else f"금액 {text}(이/가) 평소 범위임"
    else:
        reason = f"the amount {text} is far above the usual" if high else f"the amount {text} is in the usual range"
    return Signal(LABELS[language]["amount"], text, particles(reason))


def time_signal(night: bool, language: str, rng: random.Random) -> Signal:
    text = clock(night, language, rng)
    if language == "ko":
        reason = f"{text}의 심야 거래" if night else f"{text}의 낮 시간 거래"
    else:
        reason = f"it took place at night, {text}" if night else f"it took place by day, {text}"
    return Signal(LABELS[language]["time"], text, reason)


def place_signal(foreign: bool, language: str, rng: random.Random) -> Signal:
    names = (("해외", "abroad"), *SLOTS["far"]) if foreign else (("국내", "domestic"), *SLOTS["city"])
    ko, en = names[0] if rng.random() < 0.5 else rng.choice(names)
    if language == "ko":
        reason = (
            ("해외에서의 거래" if ko == "해외" else f"해외 {ko}에서의 거래")
            if foreign
            else ("국내 거래" if ko == "국내" else f"국내 {ko}에서의 거래")
        )
        return Signal(LABELS["ko"]["place"], ko, reason)
    reason = (
        ("it came from abroad" if en == "abroad" else f"it came from abroad, {en}")
        if foreign
        else ("it is domestic" if en == "domestic" else f"it is domestic, {en}")
    )
    return Signal(LABELS["en"]["place"], en, reason)


def payee_signal(known: bool, language: str) -> Signal:
    label = LABELS[language]["payee"]
    if language == "ko":
        return Signal(
            label, "등록된 수취인" if known else "처음 거래", "등록된 수취인" if known else "처음 거래하는 수취인"
        )
    return Signal(
        label, "registered" if known else "first time", "the payee is registered" if known else "the payee is new"
    )


def slots(language: str, rng: random.Random) -> dict[str, str]:
    column = 0 if language == "ko" else 1
    values = {f"{slot}_{language}": rng.choice(pairs)[column] for slot, pairs in SLOTS.items()}
    under = rng.choice((900, 950, 960, 970, 980, 990, 995, 999))
    return values | {
        "days": str(rng.randint(1, 14)),
        "people": str(rng.randint(3, 19)),
        "times": str(rng.randint(5, 60)),
        "minutes": str(rng.randint(3, 59)),
        "months": str(rng.randint(13, 60)),
        "share": str(rng.randint(90, 99)),
        "splits": str(rng.randint(3, 9)),
        "under": f"{under}만",
        "under_en": f"{under * MAN:,}",
    }


TABLE = table("fraud.tsv")


def table_signals(kind: str, language: str, rng: random.Random) -> list[Signal]:
    """One to three signals of one fraud type, in the table's order; impossible travel and dormant accounts have one."""
    rows = [row for row in TABLE if row["type"] == kind]
    count = 1 if kind in ("impossible_travel", "dormant_account") else rng.randint(1, min(3, len(rows)))
    values = slots(language, rng)
    chosen = sorted(rng.sample(range(len(rows)), count))
    return [
        Signal(*(fill(rows[i][f"{language}_{part}"], values) for part in ("field", "value", "reason"))) for i in chosen
    ]


def suspicious_case(kind: str, language: str, rng: random.Random) -> tuple[list[Signal], list[Signal]]:
    """(signals that are reasons, fields that are not)."""
    style = rng.randrange(3)
    large = won_amount(True, rng)
    if kind == "night_foreign":
        amount = amount_signal(large, True, language, style)
        return [amount, time_signal(True, language, rng), place_signal(True, language, rng)], []
    if kind == "first_payee":
        neutral = [time_signal(False, language, rng), place_signal(False, language, rng)]
        return [amount_signal(large, True, language, style), payee_signal(False, language)], rng.sample(
            neutral, rng.randint(0, 2)
        )
    reasons = table_signals(kind, language, rng)
    neutral = [time_signal(False, language, rng), place_signal(False, language, rng)]
    if kind == "impossible_travel":
        neutral = neutral[:1]
    if kind in ("structuring", "card_testing", "smishing"):
        return reasons, rng.sample(neutral, rng.randint(0, len(neutral)))
    amount = amount_signal(large, True, language, style)
    if kind == "dormant_account" or rng.random() < 0.6:
        reasons = [amount, *reasons]
    return reasons, rng.sample(neutral, rng.randint(0, len(neutral)))


def won_amount(large: bool, rng: random.Random) -> int:
    if large:
        return rng.choice((rng.randint(10, 99) * 100, rng.randint(1, 20) * 1000)) * MAN
    return rng.choice((rng.randint(1, 50) * MAN, rng.randint(30, 300) * 100))


def normal_case(language: str, rng: random.Random) -> tuple[list[Signal], list[Signal]]:
    style = rng.randrange(3)
    variant = rng.randrange(5)
    day, home = time_signal(False, language, rng), place_signal(False, language, rng)
    if variant == 0:  # a large sum, but to a payee the customer has registered
        amount = won(won_amount(True, rng), language, style)
        return [payee_signal(True, language), day, home], [Signal(LABELS[language]["amount"], amount, "")]
    small = amount_signal(won_amount(False, rng), False, language, style)
    if variant == 1:
        return [small, day, place_signal(True, language, rng)], []
    if variant == 2:
        return [small, time_signal(True, language, rng), home], []
    if variant == 3:
        return [small, payee_signal(False, language), day], []
    shop = rng.choice(SHOPS)[0 if language == "ko" else 1]
    label = "가맹점" if language == "ko" else "merchant"
    reason = f"평소 이용하는 {shop}" if language == "ko" else f"the customer often uses a {shop}"
    return [small, day, home, Signal(label, shop, reason)], []


def verdict(kind: str, reasons: list[Signal], language: str) -> str:
    name = TYPES[kind][0 if language == "ko" else 1]
    listed = " ".join(f"{i}) {signal.reason}" for i, signal in enumerate(reasons, 1))
    if language == "ko":
        word = "정상" if kind == "normal" else "이상"
        return f"이 거래는 {word} 거래로 판단됩니다. 유형: {name}. 이유: {listed}"
    word = "normal" if kind == "normal" else "suspicious"
    return f"This transaction is judged {word}. Type: {name}. Reasons: {listed}"


def fraud(language: str, held: bool, rng: random.Random) -> Example:
    """One case. Reasons follow the order of the fields, so that an answer reads its input from left to right."""
    while True:
        kind = rng.choice((*TYPES, "normal", "normal", "night_foreign"))
        reasons, others = normal_case(language, rng) if kind == "normal" else suspicious_case(kind, language, rng)
        fields = reasons + others
        rng.shuffle(fields)
        if is_held(kind, tuple(sorted(field.value for field in fields))) == held:
            break
    ordered = [field for field in fields if field in reasons]
    separator = rng.choice((", ", ", ", "\n"))
    described = separator.join(f"{field.field}: {field.value}" for field in fields)
    ask = rng.choice(divide(ASK[language], held))
    output = verdict(kind, ordered, language)
    if rng.random() < 0.15 and separator == ", ":
        return Example("fraud", language, f"{ask} {described}", "", output, TYPES[kind][0 if language == "ko" else 1])
    return Example("fraud", language, ask, described, output, TYPES[kind][0 if language == "ko" else 1])
