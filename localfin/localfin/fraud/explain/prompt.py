"""What the model is told: a beginning that all transactions share, and a few lines of numbers for each.

Nothing of a transaction reaches it but the names of signals and their statements: no memo, no name, no identifier.
"""

from collections.abc import Mapping, Sequence

from localfin.engine.events import Message, Question, Shared
from localfin.fraud.explain.figures import Language
from localfin.fraud.explain.wording import Wording

LONGEST_TEXT = 320
"""Tokens. Three statements take about 100; of an alphabet that a vocabulary spells in bytes, three times that."""

_TASK: Mapping[Language, str] = {
    "en": (
        "You write for the fraud desk of a bank. The computer has judged a transaction by numbers alone, and you put "
        "its reasons into words for the analyst. Below stand the reasons, the weightiest first, each with the name of "
        "its signal and a statement. Write one to three short sentences. Begin with the weightiest reason and say the "
        "others where they add something. Use only what the statements say, and copy every figure exactly as it "
        "stands. Do not judge, do not guess at causes or persons, and give no advice: the analyst decides.\n\n"
        "An example. Reasons:\n"
        "- amount_to_mean: 900,000 is 30 times the customer's mean of 30,000 (40 amounts)\n"
        "- night: At 3 h; 0 of the customer's 40 transactions before were at night\n"
        "Text: The amount of 900,000 is 30 times what the customer spends on average (30,000). In addition: It was "
        "made at 3 h, and 0 of the customer's 40 earlier transactions were at night."
    ),
    "ko": (
        "당신은 은행 이상거래 담당 부서의 글을 씁니다. 거래의 판정은 컴퓨터가 숫자만으로 내렸고, 당신은 그 근거를 "
        "분석가가 읽을 문장으로 옮깁니다. 아래에 근거가 중요한 순서로 신호 이름과 함께 적혀 있습니다. 한 문장에서 "
        "세 문장으로 짧게 쓰십시오. 가장 중요한 근거부터 쓰고, 덧붙일 것이 있으면 나머지를 쓰십시오. "
        "적힌 내용만 쓰고, 숫자는 적힌 그대로 옮기십시오. 판단, 원인이나 사람에 대한 추측, 조언은 쓰지 마십시오. "
        "결정은 분석가가 합니다.\n\n"
        "예시. 근거:\n"
        "- amount_to_mean: 금액 900,000: 고객 평균 30,000의 30배(과거 40건)\n"
        "- night: 3시 거래. 고객의 과거 거래 40건 중 심야 0건\n"
        "글: 이번 금액 900,000: 평소 평균인 30,000의 30배입니다. 또한 3시에 이루어진 거래이며, 고객의 이전 거래 40건 "
        "가운데 심야 거래는 0건입니다."
    ),
}
_ASK: Mapping[Language, tuple[str, str]] = {"en": ("Reasons:\n", "\nText:"), "ko": ("근거:\n", "\n글:")}


def beginning(language: Language) -> Shared:
    heading, _end = _ASK[language]
    return Shared((Message("system", _TASK[language]), Message("user", heading)), LONGEST_TEXT)


def question(statements: Sequence[tuple[str, str]], wording: Wording) -> Question:
    """`statements`: the signals' names and what they say, in the wording's language."""
    _heading, end = _ASK[wording.language]
    lines = "\n".join(f"- {signal}: {said}" for signal, said in statements)
    return Question(lines + end, wording.gbnf)
