"""What a desk may set about the signals: reporting thresholds by date, what counts as night, home and small."""

from dataclasses import dataclass
from datetime import date, timedelta

from localfin_models.errors import InputRefused
from localfin_models.language import _


@dataclass(frozen=True, slots=True)
class Threshold:
    """An amount from which a transaction must be reported, in force from a day on until the next of its currency."""

    since: date
    amount: float
    currency: str = "KRW"


KOREAN_REPORTING = (
    Threshold(date(2006, 1, 18), 50_000_000),
    Threshold(date(2008, 1, 1), 30_000_000),
    Threshold(date(2010, 1, 1), 20_000_000),
    Threshold(date(2019, 7, 1), 10_000_000),
)
"""고액현금거래보고: the amounts of the enforcement decree (특정금융정보법 시행령 제8조의2), as they came down.

Source: Korea Financial Intelligence Unit, "Currency Transaction Report System"
(https://www.kofiu.go.kr/eng/policy/amls04.do): 50 million won from 18 January 2006, 30 million in 2008, 20 million in
2010, 10 million in July 2019. Of 2008 and 2010 it names the year, here from the first day on.
"""


@dataclass(frozen=True, slots=True)
class Settings:
    label_delay: timedelta
    """How long until a transaction's label is known. A younger label is never looked at."""
    thresholds: tuple[Threshold, ...] = KOREAN_REPORTING
    near: float = 0.8
    """From which part of the threshold on an amount below it is near it."""
    night: tuple[int, int] = (0, 6)
    """The local hours that are night: from the first, up to and without the second; may run over midnight."""
    home: tuple[str, ...] = ("KR", "KOR", "대한민국", "한국")
    """How the home country is written in the country column."""
    small: float = 0.1
    """Up to which part of the customer's mean an amount is small, as those that test a stolen card."""
    large: float = 3.0
    """Beyond how many times the customer's mean an amount is large."""
    prior_weight: float = 5.0
    """How many labels the overall rate of fraud is worth against a counterparty's own: shrinks a rate of few labels."""

    def __post_init__(self) -> None:
        if self.label_delay < timedelta(0):
            raise InputRefused(_("the label delay is negative: {delay}").format(delay=self.label_delay))
        if not all(0 <= hour <= 24 for hour in self.night):
            raise InputRefused(_("the hours of night lie between 0 and 24: {night}").format(night=self.night))
        if not (0 < self.near < 1 and 0 < self.small < 1 < self.large and self.prior_weight > 0):
            raise InputRefused(_("near and small lie between 0 and 1, large above 1, and the prior's weight above 0"))
        if any(threshold.amount <= 0 for threshold in self.thresholds):
            raise InputRefused(_("a reporting threshold lies above 0"))
