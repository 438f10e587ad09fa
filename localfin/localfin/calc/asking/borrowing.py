"""Questions about loans, plain interest, DSR, LTV and DTI."""

from localfin.calc.asking.question import MONEY, Found, Question, Unclear, currency_of, yearly

_ABOUT_LOANS = (
    r"대출|빌리|빌려|빌린|빌릴|빌렸|상환|원리금|원금 ?균등|만기 ?일시|할부|주담대|모기지|융자|카드론|학자금|갚"
    r"|\b(?:loans?|mortgages?|borrow\w*|financ(?:e|ing)|emi|repay\w*|instal+ments?)\b"
)
_ABOUT_SAVING = r"예금|적금|예치|저축|deposit|\bsav(?:e|ing|ings)\b"
_MONTHLY_RATE = (
    r"(?<!개)월 ?(?:이율|이자율|금리|리 )|(?<!개)월 \d[\d.]* ?%|% ?(?:a|per) month"
    r"|monthly (?:interest )?rate|월 ?\d[\d.]*부"
)
_OTHER_LOANS = (
    r"중도 ?상환|가능|체증|대환|갈아|절약|줄어|늘어|수수료|잔액|남은|남는|첫 ?해|\d ?회차|년 ?차"
    r"|prepay|early|refinanc|balloon|sav(?:e|ed) by|afford|balance|remaining|first year|\bmore\b|\bless\b"
)
_AFTER_GRACE = r"거치 ?(?:후 ?)?\d+ ?(?:년|개월) ?(?:동안 ?|간 ?)?(?:원(?:리)?금 ?균등 ?)?(?:분할 ?)?상환"
"""`3년 거치 5년 상환` is eight years; `3년 거치 5년 만기` is five."""
_EQUAL_PRINCIPAL = r"원금 ?균등|equal (?:parts of )?principal|constant principal|straight[- ]line"
_ANNUITY = r"원리금 ?균등|equal (?:monthly )?(?:payments?|instal+ments?|repayments?)|annuity|amorti[sz]|\bemi\b"
_BULLET = (
    r"만기 ?일시|만기에 (?:한 ?번에|일시)|interest[- ]only|bullet"
    r"|principal (?:is )?(?:due|repaid|paid)? ?at (?:maturity|the end)"
)
_ONE_MONTH = (
    r"(?:한 ?달|1개월|월|매달|매월) ?(?:에 )?(?:이자|내는 이자)|이자.{0,6}(?:한 ?달|매달|매월|1개월)에?"
    r"|monthly interest(?! rate)|interest (?:a|per|each|every|for (?:a|one)) month|one month's interest"
)
_PAID = (
    r"상환액|상환금|납입|원리금|이자|갚|얼마|내야"
    r"|payments?|repayments?|instal+ments?|interest|\bpay\b|month|\bemi\b|calculator|\bcost\b"
)


def loan(question: Question) -> Found | None:
    if not question.has(_ABOUT_LOANS) or not question.has(_PAID) or question.has(_ABOUT_SAVING):
        return None
    if question.has(r"복리|단리|compounded|simple interest"):
        return None  # of a sum that is left, not repaid
    if question.has(_OTHER_LOANS) or question.has(_MONTHLY_RATE) or any(each.monthly for each in question.quantities):
        return None
    found, method = Found("loan"), _method(question)
    grace = question.labelled(r"거치 ?기간[은이]?|grace period of", "months")
    grace = grace or question.labelled(r"거치|grace|interest only", "months", before=True)
    principal, rate, months = question.only(*MONEY), question.only("percent"), question.only("months")
    if principal is None and rate is None and months is None:
        return None
    found.put("principal", principal)
    found.put("rate_percent", rate)
    found.put("months", months)
    if months and grace and question.has(_AFTER_GRACE):
        found.put("months", int(months.value + grace.value))
    if method:
        found.fields["method"] = method
    elif question.has(_ONE_MONTH) or question.has(r"\d ?(?:년|개월|달) ?(?:간 |동안 )?이자"):
        found.missing.append("method")
    if grace:
        found.put("grace_months", grace)
    if currency := currency_of(principal):
        found.fields["currency"] = currency
    return found


def interest(question: Question) -> Found | None:
    """For some days, or for one month."""
    if not question.has(r"이자|연체|interest") or question.has(_ABOUT_SAVING) or question.has(_MONTHLY_RATE):
        return None
    days = question.only("days") if len(question.left("days")) == 1 else None
    monthly = question.has(_ONE_MONTH) and not question.left("months") and _method(question) in (None, "bullet")
    if (days is None and not monthly) or any(each.monthly for each in question.quantities):
        return None
    if any(each.value == 1 for each in question.left("months")):
        question.only("months")
    principal, rate = question.only(*MONEY), question.only("percent")
    if (principal is None and rate is None) or question.left("months"):
        return None
    found = Found("interest")
    found.put("principal", principal)
    found.put("rate_percent", rate)
    found.put("days" if days else "months", days or 1)
    if currency := currency_of(principal):
        found.fields["currency"] = currency
    return found


def dsr(question: Question) -> Found | None:
    """From the income and what is repaid, or from a new loan with its rate and term."""
    if not question.has(r"\bdsr|총부채 ?원리금|debt[- ]service ratio"):
        return None
    found = Found("dsr")
    income = question.labelled(_INCOME, *MONEY)
    by_month = any(each.monthly for each in question.quantities)
    if not by_month and question.has(r"매달|매월|다달이|한 ?달|(?<!개)월 |month"):
        raise Unclear
    borrowing = question.has(r"대출|빌리|빌려|빌린|\bloan|borrow") and not question.has(_REPAID) and not by_month
    owed = question.only(*MONEY) if borrowing and (income or question.left("percent", "months")) else None
    repayment = None if owed else question.only(*MONEY)
    if repayment is not None and not question.has(_REPAID):
        raise Unclear
    if income is None and repayment is None and owed is None:
        return None
    found.put("income", yearly(income))
    if owed is None:
        found.put("repayment", yearly(repayment))
        return found
    found.put("loan", owed)
    rate, months = question.only("percent"), question.only("months")
    found.put("rate_percent", rate)
    found.put("months", months)
    return found


def ltv(question: Question) -> Found | None:
    if not question.has(r"\bltv|담보 ?인정 ?비율|loan[- ]to[- ]value"):
        return None
    found = Found("ltv")
    value = question.labelled(_HOME, *MONEY)
    loan = question.labelled(_OWED, *MONEY) or (question.only(*MONEY) if value else None)
    if value is None:
        value = question.only(*MONEY) if loan else None
    if loan is None and value is None:
        return None
    found.put("loan", loan)
    found.put("value", value)
    return found


def dti(question: Question) -> Found | None:
    if not question.has(r"\bdti\b|\bdti(?=[가-힣])|총부채 ?상환 ?비율"):
        return None
    found = Found("dti")
    income = question.labelled(_INCOME, *MONEY)
    other = question.labelled(
        r"(?:기타|다른|신용 ?대출|마이너스 ?통장|other|personal)[ 가-힣a-z]*?(?:이자|interest)(?: of)?", *MONEY
    )
    mortgage = question.only(*MONEY)
    if income is None and mortgage is None:
        return None
    found.put("income", yearly(income))
    found.put("mortgage_repayment", yearly(mortgage))
    if other:
        found.put("other_interest", yearly(other))
    return found


_INCOME = (
    r"연 ?소득|연봉|월급|월 ?소득|소득|수입|급여|incomes?(?: of| is)?|salary(?: of| is)?|\bearn(?:s|ing)?\b|\bmake\b"
)
_REPAID = r"원리금|상환액|갚|상환|repay|payments?|\bpay\b|\bcosts?\b"
_HOME = (
    r"집 ?값|집이|집은|시세|담보 ?가치|담보 ?가격|담보 ?평가액|주택 ?가격|주택이|아파트(?: ?가격| "
    r"?시세|값)?|매매가|감정가|(?:house|home|property|flat|apartment)"
    r"(?: price| value| is| worth| valued| costs| at| of)*|worth|valued? (?:at|of)"
)
_OWED = r"대출 ?(?:금액|금|액|이|을|원금)?|빌리|빌려|빌린|loan(?: is| of)?|mortgage(?: is| of)?|borrow\w*"


def _method(question: Question) -> str | None:
    """As a call names it. Raises Unclear where several are named."""
    named = [
        name
        for name, pattern in (("annuity", _ANNUITY), ("equal_principal", _EQUAL_PRINCIPAL), ("bullet", _BULLET))
        if question.has(pattern)
    ]
    if len(named) > 1:
        raise Unclear
    return named[0] if named else None
