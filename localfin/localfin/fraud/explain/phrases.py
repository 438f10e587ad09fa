"""Other words for the signals' statements, beside the sentences themselves. Data; figures' names are the signals'.

Every phrase says no more than its sentence. No Korean particle that depends on a figure's sound follows one.
"""

from collections.abc import Mapping

from localfin.fraud.explain.figures import Language

OPENINGS: Mapping[Language, tuple[str, ...]] = {
    "en": ("", "What stands out: ", "The main points: ", "Reasons: "),
    "ko": ("", "주요 근거: ", "눈에 띄는 점: ", "판단 근거: "),
}
LINKS: Mapping[Language, tuple[str, ...]] = {
    "en": (" ", " In addition: ", " Also: ", " Besides: "),
    "ko": (" ", " 또한 ", " 그리고 ", " 아울러 "),
}

_TO_MEAN = "{amount} is {ratio} times the customer's mean of {mean} ({count} amounts)"
_TO_MAX = "{amount} is {ratio} times the largest of the customer's {count} amounts, {max}"
_DEVIATIONS = "{amount} lies {z} standard deviations of {deviation} from the customer's mean of {mean}"
_RISK = (
    "{risk:%} estimated share of fraud at the counterparty: {frauds} of {labels} in the {days} d "
    "before the label delay, {overall:%} overall"
)
_FRAUDS = "{frauds} known frauds at the counterparty in the {days} d before the label delay"
_SINCE = "{since} d since the last known fraud at the counterparty"
_NEW = "{before} of the customer's {count} transactions before were with this counterparty"
_NIGHT = "At {hour} h; {night} of the customer's {count} transactions before were at night"
_HOUR = "{same} of the customer's {count} transactions before were in this hour of the day ({hour} h)"
_COUNTRY = "{same} of the customer's {count} transactions before were in this country"
_NIGHT_ABROAD = "At {hour} h abroad; {same} of the customer's {count} transactions before were in this country"
_TRAVEL = "{km} km from the customer's transaction {minutes} min before: {speed} km/h"
_STRUCTURING = (
    "{amount} is near and under the reporting threshold of {threshold}; {count} such amounts in the {days} d "
    "before add {sum}"
)
_PAUSE = "{pause} d since the customer's transaction before; {usual} d apart on average until then"
_COUNT = "{count} transactions of the customer in the {days} d before"
_PAYERS = "{new} of {payers} customers paid the counterparty for the first time in the {days} d before"
_SMALL = "{small} amounts that are small for the customer in the {hours} h before"

PHRASES: Mapping[Language, Mapping[str, tuple[str, ...]]] = {
    "en": {
        _TO_MEAN: (
            "The customer's mean over {count} amounts is {mean}; this amount of {amount} is {ratio} times as large",
            "The amount of {amount} is {ratio} times what the customer spends on average ({mean})",
        ),
        _TO_MAX: (
            "The customer's largest of {count} amounts was {max}; this one of {amount} is {ratio} times as large",
            "At {amount}, this is {ratio} times the customer's largest amount so far ({max})",
        ),
        _DEVIATIONS: ("The customer's mean is {mean}, from which {amount} lies {z} standard deviations away",),
        _RISK: (
            "Of {labels} labelled transactions at the counterparty, {frauds} were fraud: an estimated {risk:%}, "
            "against {overall:%} overall",
        ),
        _FRAUDS: ("The counterparty had {frauds} known frauds in the {days} d before the label delay",),
        _SINCE: ("The last known fraud at the counterparty was {since} d ago",),
        _NEW: ("Of the customer's {count} earlier transactions, {before} were with this counterparty",),
        _NIGHT: ("It was made at {hour} h, and {night} of the customer's {count} earlier transactions were at night",),
        _HOUR: ("In this hour of the day ({hour} h) lay {same} of the customer's {count} earlier transactions",),
        _COUNTRY: ("The customer made {same} of {count} earlier transactions in this country",),
        _NIGHT_ABROAD: (
            "It was made at {hour} h abroad, in a country of {same} of the customer's {count} earlier transactions",
        ),
        _TRAVEL: ("The customer would have travelled {km} km in {minutes} min, which is {speed} km/h",),
        _STRUCTURING: ("The amount of {amount} stays just under the reporting threshold of {threshold}",),
        _PAUSE: ("The customer was inactive for {pause} d, where {usual} d are usual",),
        _COUNT: ("The customer made {count} transactions in the {days} d before",),
        _PAYERS: ("In the {days} d before, {new} of the counterparty's {payers} payers were new to it",),
        _SMALL: ("In the {hours} h before, the customer made {small} payments that are unusually small",),
    },
    "ko": {
        _TO_MEAN: (
            "고객의 과거 {count}건 평균 {mean}의 {ratio}배에 해당하는 금액 {amount}",
            "이번 금액 {amount}: 평소 평균인 {mean}의 {ratio}배입니다",
        ),
        _TO_MAX: (
            "고객의 과거 {count}건 중 최대 금액 {max}의 {ratio}배에 해당하는 금액 {amount}",
            "이번 금액 {amount}: 지금까지의 최대 금액 {max}의 {ratio}배입니다",
        ),
        _DEVIATIONS: ("고객 평균 {mean}에서 표준편차의 {z}배만큼 벗어난 금액 {amount}",),
        _RISK: ("거래 상대의 라벨 {labels}건 중 사기 {frauds}건: 추정 비율 {risk:%}, 전체 {overall:%}",),
        _FRAUDS: ("거래 상대에서 라벨 지연 이전 {days}일 동안 사기 {frauds}건이 확인되었습니다",),
        _SINCE: ("거래 상대에서 마지막 사기가 확인된 지 {since}일이 지났습니다",),
        _NEW: ("고객의 이전 거래 {count}건 가운데 이 상대와의 거래는 {before}건입니다",),
        _NIGHT: ("{hour}시에 이루어진 거래이며, 고객의 이전 거래 {count}건 가운데 심야 거래는 {night}건입니다",),
        _HOUR: ("고객의 이전 거래 {count}건 가운데 {hour}시대의 거래는 {same}건입니다",),
        _COUNTRY: ("고객의 이전 거래 {count}건 가운데 이 국가의 거래는 {same}건입니다",),
        _NIGHT_ABROAD: (
            "{hour}시에 해외에서 이루어진 거래이며, 이전 거래 {count}건 가운데 이 국가의 거래는 {same}건입니다",
        ),
        _TRAVEL: ("{minutes}분 만에 {km} km 이동한 셈이며, 속도로는 {speed} km/h입니다",),
        _STRUCTURING: ("보고 기준 {threshold} 바로 아래의 금액 {amount}",),
        _PAUSE: ("평소 {usual}일 간격이던 고객이 {pause}일 만에 거래했습니다",),
        _COUNT: ("고객은 직전 {days}일 동안 {count}건을 거래했습니다",),
        _PAYERS: ("직전 {days}일 동안 이 상대와 거래한 고객 {payers}명 가운데 {new}명은 처음입니다",),
        _SMALL: ("직전 {hours}시간 동안 고객에게는 이례적으로 작은 금액 {small}건이 있었습니다",),
    },
}
"""By the English sentence, which is the key of its translation, too."""
