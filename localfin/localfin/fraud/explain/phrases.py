"""Other words for every statement of the signals, beside the sentences themselves. Data; figures' names are theirs.

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
_SUM = "{sum} spent by the customer in {count} transactions in the {days} d before"
_MEAN = "{mean} is the mean of the customer's {count} amounts in the {days} d before"
_COUNTERPARTIES = "{counterparties} counterparties of the customer in {count} transactions in the {days} d before"
_AMOUNT = "The amount is {amount}"
_LARGEST = "{amount} against at most {max} in the customer's {count} amounts before"
_SINCE_GOOD = "{since} d since the last transaction at the counterparty that is known to be no fraud"
_WITH = "{before} transactions of the customer with this counterparty before"
_TO_NEW = "{amount} to a counterparty with {before} transactions before; the customer's mean is {mean}"
_TO_NEW_ALONE = "{amount} to a counterparty with {before} transactions of the customer before"
_WEEKDAY = "{same} of the customer's {count} transactions before were on this day of the week"
_HOUR_ALONE = "The transaction was made at {hour} h"
_ABROAD = "The transaction was made abroad"
_AT_HOME = "The transaction was made in the home country"
_HOUR_ABROAD = "The transaction was made at {hour} h abroad"
_HOUR_AT_HOME = "The transaction was made at {hour} h in the home country"
_NOT_UNDER = "{amount} is not just under the reporting threshold of {threshold}"
_PREVIOUS = "{pause} d since the customer's transaction before"
_DORMANT = "The customer was inactive for {pause} d until the last {days} d, with {count} transactions since"
_PAYERS_ALL = "{payers} customers paid the counterparty in the {days} d before"
_NEW_COUNTERPARTIES = "{new} of the customer's {counterparties} counterparties in the {days} d before were new"
_LARGE = "{large} amounts that are large for the customer in the {days} d before"

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
        _SUM: ("In the {days} d before, the customer spent {sum} in {count} transactions",),
        _MEAN: ("Over the {days} d before, the customer's {count} amounts had a mean of {mean}",),
        _COUNTERPARTIES: (
            "In the {days} d before, the customer dealt with {counterparties} counterparties in {count} transactions",
        ),
        _AMOUNT: ("It is an amount of {amount}",),
        _LARGEST: ("The customer's largest of {count} amounts before was {max}; this one is {amount}",),
        _SINCE_GOOD: ("The last transaction at the counterparty known to be no fraud was {since} d ago",),
        _WITH: ("The customer had {before} transactions with this counterparty before",),
        _TO_NEW: (
            "An amount of {amount}, where the customer's mean is {mean}, went to a counterparty with {before} "
            "transactions before",
        ),
        _TO_NEW_ALONE: ("An amount of {amount} went to a counterparty with {before} transactions before",),
        _WEEKDAY: ("On this day of the week lay {same} of the customer's {count} earlier transactions",),
        _HOUR_ALONE: ("It was made at {hour} h",),
        _ABROAD: ("It was made abroad",),
        _AT_HOME: ("It was made in the home country",),
        _HOUR_ABROAD: ("It was made abroad at {hour} h",),
        _HOUR_AT_HOME: ("It was made in the home country at {hour} h",),
        _NOT_UNDER: ("The amount of {amount} does not lie just under the reporting threshold of {threshold}",),
        _PREVIOUS: ("The customer's last transaction was {pause} d before",),
        _DORMANT: (
            "After a pause of {pause} d the customer became active in the last {days} d, with {count} transactions "
            "since",
        ),
        _PAYERS_ALL: ("In the {days} d before, the counterparty was paid by {payers} customers",),
        _NEW_COUNTERPARTIES: (
            "In the {days} d before, {new} of {counterparties} counterparties were new to the customer",
        ),
        _LARGE: ("In the {days} d before, the customer made {large} payments that are unusually large",),
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
        _SUM: ("고객은 직전 {days}일 동안 {count}건, 합계 {sum} 규모로 거래했습니다",),
        _MEAN: ("직전 {days}일 동안의 고객 거래 {count}건은 평균 {mean} 수준입니다",),
        _COUNTERPARTIES: ("고객은 직전 {days}일 동안 {counterparties}곳과 {count}건을 거래했습니다",),
        _AMOUNT: ("이번 거래 금액: {amount}",),
        _LARGEST: ("고객의 과거 {count}건 중 최대 금액 {max}, 이번 금액 {amount}",),
        _SINCE_GOOD: ("거래 상대에서 정상으로 확인된 마지막 거래는 {since}일 전입니다",),
        _WITH: ("고객은 이 상대와 전에 {before}건을 거래했습니다",),
        _TO_NEW: ("고객 평균이 {mean} 수준인데, 과거 거래가 {before}건인 상대에게 보낸 금액 {amount}",),
        _TO_NEW_ALONE: ("고객의 과거 거래가 {before}건인 상대에게 보낸 금액 {amount}",),
        _WEEKDAY: ("고객의 이전 거래 {count}건 가운데 같은 요일의 거래는 {same}건입니다",),
        _HOUR_ALONE: ("{hour}시에 이루어진 거래입니다",),
        _ABROAD: ("해외에서 이루어진 거래입니다",),
        _AT_HOME: ("국내에서 이루어진 거래입니다",),
        _HOUR_ABROAD: ("{hour}시에 해외에서 이루어진 거래입니다",),
        _HOUR_AT_HOME: ("{hour}시에 국내에서 이루어진 거래입니다",),
        _NOT_UNDER: ("보고 기준 {threshold} 바로 아래에 있지 않은 금액 {amount}",),
        _PREVIOUS: ("고객의 직전 거래로부터 {pause}일이 지났습니다",),
        _DORMANT: ("고객은 {pause}일의 공백 뒤 최근 {days}일 안에 거래를 재개했고, 그동안 {count}건을 거래했습니다",),
        _PAYERS_ALL: ("직전 {days}일 동안 이 상대와 거래한 고객은 {payers}명입니다",),
        _NEW_COUNTERPARTIES: ("직전 {days}일 동안 고객의 거래 상대 {counterparties}곳 가운데 {new}곳은 처음입니다",),
        _LARGE: ("직전 {days}일 동안 고객에게는 이례적으로 큰 금액 {large}건이 있었습니다",),
    },
}
"""By the English sentence, which is the key of its translation, too."""
