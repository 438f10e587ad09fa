"""Questions about rates, cash flows and bonds."""

from localfin.calc.asking.quantities import Quantity
from localfin.calc.asking.question import MONEY, Found, Question, written

_A_YEAR = (
    (365, r"일 ?복리|daily|every day"),
    (52, r"주 ?복리|weekly"),
    (12, r"월 ?복리|매월 복리|monthly|every month"),
    (4, r"분기 ?복리|분기마다|quarterly|every quarter"),
    (2, r"반기 ?복리|반기 복리|semi-?annual|twice a year|every six months"),
    (1, r"연 ?복리|annually|yearly"),
)


def effective_rate(question: Question) -> Found | None:
    if not question.has(
        r"실효 ?(?:연 ?)?(?:금리|이자율|이율|수익률)|effective (?:annual |yearly )?(?:interest )?rate|\bear\b|\bapy\b"
    ) or _to_nominal(question):
        return None
    return _rate(question, Found("effective_rate"), "nominal_percent")


def nominal_rate(question: Question) -> Found | None:
    if not _to_nominal(question):
        return None
    return _rate(question, Found("nominal_rate"), "effective_percent")


def _to_nominal(question: Question) -> bool:
    return question.has(
        r"명목 ?(?:금리|이자율|이율)(?:로|[은는]|이 ?얼마|가 ?얼마)"
        r"|what nominal|equivalent nominal|nominal rate (?:that|gives|equivalent)"
        r"|(?:to|into|as) (?:a |the )?nominal"
    ) and question.has(r"실효|effective|\bear\b|\bapy\b")


def _rate(question: Question, found: Found, name: str) -> Found | None:
    percent = question.only("percent")
    if percent is None or question.sums():
        return None
    found.put(name, percent)
    found.put("periods", next((count for count, pattern in _A_YEAR if question.has(pattern)), None))
    return found


def irr(question: Question) -> Found | None:
    if not question.has(r"\birr\b|\birr(?=[가-힣])|내부 ?수익률|internal rate of return"):
        return None
    return _flows(question, Found("irr"))


def npv(question: Question) -> Found | None:
    if not question.has(r"\bnpv\b|\bnpv(?=[가-힣])|순 ?현재 ?가치|net present value"):
        return None
    rate = question.only("percent")
    found = _flows(question, Found("npv"))
    if found is not None:
        found.put("rate_percent", rate)
    return found


def _flows(question: Question, found: Found) -> Found | None:
    flows = [question.take(each) for each in question.sums()]
    if len(flows) < 2 or not question.listed(flows) or question.left("months"):
        return None
    found.fields["flows"] = [written(each) for each in flows]
    return found


def bond_price(question: Question) -> Found | None:
    if not question.has(r"채권|국고채|회사채|\bbonds?\b") or not question.has(
        r"가격|얼마|수익률|price|cost|worth|value|yield"
    ):
        return None
    face = question.labelled(r"액면가?|face value(?: of)?|par(?: value)?(?: of)?", *MONEY)
    coupon = question.labelled(
        r"표면 ?(?:금리|이율|이자율)|쿠폰(?: ?금리)?|이표율|coupons?(?: rate)?(?: of)?", "percent"
    )
    wanted = question.labelled(
        r"시장 ?(?:금리|수익률|이자율)|만기 ?수익률|수익률|유통 ?수익률"
        r"|yields?(?: to maturity)?(?: of)?|ytm|market rate(?: of)?",
        "percent",
    )
    price = None
    if wanted is None and question.has(r"수익률|yield|ytm"):
        price = question.labelled(r"가격[이은 ]*|매입가|priced? (?:at|of)|costs?|trad(?:es|ing) at", *MONEY)
    months = question.only("months")
    if (coupon is None and wanted is None) or months is None:
        return None
    if price is not None:
        found = Found("bond_yield")
        found.put("coupon_percent", coupon)
        found.put("price", price)
        found.put("months", months)
        return _coupons(question, found, face)
    found = Found("bond_price")
    found.put("coupon_percent", coupon)
    found.put("yield_percent", wanted)
    found.put("months", months)
    return _coupons(question, found, face)


def _coupons(question: Question, found: Found, face: Quantity | None) -> Found:
    """The face value and how often coupons are paid, where they are told."""
    if face:
        found.put("face", face)
    for count, pattern in ((2, r"반기|6개월마다|semi-?annual|twice a year"), (4, r"분기|3개월마다|quarterly")):
        if question.has(pattern):
            found.fields["frequency"] = count
    return found
