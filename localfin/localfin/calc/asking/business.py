"""Questions about prices, exchange rates and plain numbers."""

from localfin.calc.asking.question import MONEY, Found, Question, Unclear, written

_PRICE = (
    r"판매 ?가격?|판매 ?단가|개당 가격|단가|가격|팔|selling price(?: of)?|sales price(?: of)?"
    r"|unit price(?: of)?|price(?: of| is)?|sell (?:it |them )?(?:for|at)|sold (?:for|at)"
)
_COST = (
    r"원가|매입 ?가격?|구입 ?가|사와|사서|산|costs?(?: of| is| me)?|bought (?:it )?(?:for|at)|buy (?:it )?(?:for|at)"
)


def margin(question: Question) -> Found | None:
    if not question.has(r"마진|이익률|margin|markup") or question.has(
        r"영업 ?이익률|순이익률|operating|net margin|gross margin of"
    ):
        return None
    cost, price = question.labelled(_COST, *MONEY), question.labelled(_PRICE, *MONEY)
    if cost is None and price is None:
        return None
    found = Found("margin")
    found.put("cost", cost)
    found.put("price", price)
    return found


def break_even(question: Question) -> Found | None:
    if not question.has(r"손익 ?분기|break[- ]?even"):
        return None
    fixed = question.labelled(r"고정 ?비(?:용)?|fixed costs?(?: of| are| is)?", *MONEY)
    variable = question.labelled(
        r"(?:개당 |단위당 )?변동 ?비(?:용)?|(?:unit )?variable costs?(?: of| per unit| is)?", *MONEY
    )
    price = question.labelled(_PRICE, *MONEY)
    if fixed is None and variable is None and price is None:
        return None
    found = Found("break_even")
    for name, each in (("fixed", fixed), ("price", price), ("variable", variable)):
        found.put(name, each)
    return found


_CURRENCIES = (
    ("USD", r"달러|dollars?|\busd\b"), ("EUR", r"유로|euros?|\beur\b"), ("JPY", r"엔화|엔으로|몇 엔|\byen\b|\bjpy\b"),
    ("KRW", r"원화|몇 원|\bwon\b|\bkrw\b|원으로"),
)  # fmt: skip


def exchange(question: Question) -> Found | None:
    """One amount into another currency, at a rate that the question names."""
    if not question.has(
        r"환율|원화|환전|달러|엔화|유로|in (?:korean )?won|\bto (?:won|krw|dollars|usd|euros?|yen)\b|in (?:us "
        r")?dollars|exchange"
    ):
        return None
    rate = question.labelled(r"환율[이은 ]*|rate (?:of|is)|at", *MONEY)
    amounts = question.left("money")
    if len(amounts) != 1 or question.left("percent", "months"):
        return None
    amount = question.take(amounts[0])
    source = amount.currency or "KRW"
    aims = [code for code, pattern in _AIMS if code != source and question.has(pattern)]
    if len(aims) != 1:
        return None
    found = Found("exchange", {"amount": written(amount), "source": source, "target": aims[0]})
    found.put("rate", rate)
    return found


_AIMS = (
    ("KRW", r"원화|몇 원|in (?:korean )?won|\b(?:to|into) (?:won|krw)|원으로"),
    ("USD", r"몇 달러|달러로|(?:in|to|into) (?:us )?(?:dollars|usd)"),
    ("EUR", r"몇 유로|유로로|(?:in|to|into) euros?"),
    ("JPY", r"몇 엔|엔화로|엔으로|(?:in|to|into) (?:yen|jpy)"),
)


def growth(question: Question) -> Found | None:
    if not question.has(
        r"연평균 ?(?:성장|증가|수익)|\bcagr\b|\bcagr(?=[가-힣])|compound annual growth|average annual growth"
    ):
        return None
    sums = question.sums()
    if len(sums) != 2:
        return None
    before, after = (question.take(each) for each in sums)
    months = question.only("months")
    found = Found("growth", {"before": written(before), "after": written(after)})
    if months and months.value % 12:
        raise Unclear
    found.put("years", int(months.value) // 12 if months else None)
    return found


def change(question: Question) -> Found | None:
    if not question.has(
        r"증가율|감소율|성장률|상승률|하락률|변화율|변동률|percent(?:age)? (?:change|increase|decrease)|growth rate"
    ):
        return None
    sums = question.sums()
    if len(sums) != 2 or question.left("percent", "months"):
        return None
    before, after = (question.take(each) for each in sums)
    return Found("change", {"before": written(before), "after": written(after)})


def mean(question: Question) -> Found | None:
    if not question.has(r"평균|average|\bmean of"):
        return None
    return _list(question, Found("mean"))


def total(question: Question) -> Found | None:
    if not question.has(r"합계|합은|합이|다 더하|더하면|총합|\bsum of|\btotal of|add(?:ed)? up"):
        return None
    return _list(question, Found("total"))


def _list(question: Question, found: Found) -> Found | None:
    numbers = [question.take(each) for each in question.sums()]
    if len(numbers) < 2 or question.left("percent", "months", "other"):
        return None
    found.fields["numbers"] = [written(each) for each in numbers]
    return found


def percent_of(question: Question) -> Found | None:
    """`30만원의 15%`, `12% of 4,500`."""
    if not question.has(
        r"의 -?[\d.,]+ ?(?:%|퍼센트|프로)(?:[은는가]|면|이면| |\?|$)|% of [$€£₩]?[\d]|percent of [$€£₩]?[\d]"
    ):
        return None
    percents, sums = question.left("percent"), question.sums()
    if len(percents) != 1 or len(sums) != 1 or question.left("months", "days"):
        return None
    return Found("percent_of", {"percent": written(question.take(percents[0])), "of": written(question.take(sums[0]))})


def ratio(question: Question) -> Found | None:
    """`3억 중에 4,500만원은 몇 퍼센트`, `what percentage of 2,000 is 350`."""
    korean = question.has(r"(?:중에서?|중|에서|대비) .*몇 ?(?:%|퍼센트|프로)")
    if not korean and not question.has(r"what percent(?:age)? of .* is "):
        return None
    sums = question.sums()
    if len(sums) != 2 or question.left("percent", "months"):
        return None
    whole, part = (question.take(each) for each in sums)
    return Found("ratio", {"part": written(part), "whole": written(whole)})
