"""The signals again, in plain Python: for each transaction, loops over all before it. Slow, and hard to get wrong."""

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from statistics import mean, stdev

from localfin.fraud.signals import Settings

Values = dict[str, float | None]
DAY = timedelta(days=1)
KST = timedelta(hours=9)
THRESHOLDS = [(date(2019, 7, 1), 10e6), (date(2010, 1, 1), 20e6), (date(2008, 1, 1), 30e6), (date(2006, 1, 18), 50e6)]


@dataclass(frozen=True, slots=True)
class Transaction:
    row: int
    time: datetime
    customer: str | None = "c"
    counterparty: str | None = "m"
    amount: float = 1.0
    currency: str = "KRW"
    country: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    label: bool | None = None
    is_new: bool = True

    @property
    def local(self) -> datetime:
        return self.time + KST


def expected(table: list[Transaction], settings: Settings) -> dict[int, Values]:
    ordered = sorted(table, key=lambda each: (each.time, each.row))
    return {each.row: _signals(each, ordered[:position], settings) for position, each in enumerate(ordered)}


def _signals(this: Transaction, earlier: list[Transaction], settings: Settings) -> Values:
    values: Values = {}
    mine = [each for each in earlier if this.customer is not None and each.customer == this.customer]
    theirs = [each for each in earlier if this.counterparty is not None and each.counterparty == this.counterparty]
    pair = [each for each in mine if each in theirs]
    for days in (1, 7, 30):
        recent = [each for each in mine if this.time - each.time < days * DAY]
        same = [each.amount for each in recent if each.currency == this.currency]
        values[f"count_{days}d"] = len(recent)
        values[f"amount_sum_{days}d"] = sum(same)
        values[f"amount_mean_{days}d"] = mean(same) if same else None
        values[f"counterparties_{days}d"] = len({each.counterparty for each in recent} - {None})
    for days in (1, 7):
        payers = {each.customer for each in theirs if this.time - each.time < days * DAY} - {None}
        values[f"payers_{days}d"] = len(payers)
        values[f"structuring_{days}d"] = _structuring(this, mine, days, settings)
    week = [each for each in mine if this.time - each.time < 7 * DAY]
    values["new_counterparties_7d"] = len({each.counterparty for each in week if _first(each, earlier)})
    crowd = [each for each in theirs if this.time - each.time < 7 * DAY and _first(each, earlier)]
    values["new_payers_7d"] = len({each.customer for each in crowd})
    if this.customer is None:
        values = {name: (value if "payers" in name else None) for name, value in values.items()}
    if this.counterparty is None:
        values = {name: (None if "payers" in name else value) for name, value in values.items()}
    values |= _amounts(this, [each.amount for each in mine if each.currency == this.currency])
    values |= _risk(this, earlier, theirs, settings)
    values |= _counterparty(this, mine, pair)
    values |= _habits(this, mine, settings)
    values |= _travel(this, mine)
    values |= _pauses(this, mine)
    values |= _card_testing(this, mine, settings)
    return values


def _first(each: Transaction, earlier: list[Transaction]) -> bool:
    if each.customer is None or each.counterparty is None:
        return False
    pair = [other for other in earlier if (other.customer, other.counterparty) == (each.customer, each.counterparty)]
    return pair[0] is each


def _amounts(this: Transaction, past: list[float]) -> Values:
    average, largest = (mean(past), max(past)) if past else (None, None)
    z = None
    if average and len(past) > 1:
        z = round((this.amount - average) / max(stdev(past), abs(average) / 100), 6)
    return {
        "amount": this.amount,
        "amount_to_mean": this.amount / average if average else None,
        "amount_to_max": this.amount / largest if largest else None,
        "amount_largest": None if largest is None else float(this.amount > largest),
        "amount_z": z,
    }


def _risk(this: Transaction, earlier: list[Transaction], theirs: list[Transaction], settings: Settings) -> Values:
    values: Values = {}
    known_day = (this.time - settings.label_delay).replace(hour=0, minute=0, second=0, microsecond=0)
    every = [each.label for each in earlier if each.label is not None and each.time < known_day]
    overall = sum(every) / len(every) if every else None
    ripe = [each for each in theirs if each.label is not None and this.time - each.time > settings.label_delay]
    for days in (1, 7, 30):
        labels = [each.label for each in ripe if this.time - each.time <= settings.label_delay + days * DAY]
        weight = settings.prior_weight
        known = overall is not None and this.counterparty is not None
        values[f"counterparty_frauds_{days}d"] = sum(map(bool, labels)) if known else None
        values[f"counterparty_risk_{days}d"] = (
            (sum(map(bool, labels)) + weight * overall) / (len(labels) + weight)
            if known and overall is not None
            else None
        )
    frauds = [each.time for each in ripe if each.label]
    values["counterparty_days_since_fraud"] = (this.time - max(frauds)) / DAY if frauds else None
    recent = [each.time for each in ripe if this.time - each.time <= settings.label_delay + 30 * DAY]
    good = [each.time for each in ripe if each.time in recent and not each.label]
    values["counterparty_days_since_good"] = (this.time - max(good)) / DAY if good else None
    return values


def _counterparty(this: Transaction, mine: list[Transaction], pair: list[Transaction]) -> Values:
    values: Values = dict.fromkeys(("counterparty_new", "counterparty_count", "new_counterparty_amount"))
    if this.customer is None or this.counterparty is None:
        return values
    if mine:
        values["counterparty_new"] = float(not pair)
    values["counterparty_count"] = len(pair)
    past = [each.amount for each in mine if each.currency == this.currency]
    if pair:
        values["new_counterparty_amount"] = 0
    elif past and mean(past):
        values["new_counterparty_amount"] = this.amount / mean(past)
    return values


def _habits(this: Transaction, mine: list[Transaction], settings: Settings) -> Values:
    start, end = settings.night

    def at_night(each: Transaction) -> bool:
        hour = each.local.hour
        return start <= hour < end if start <= end else hour >= start or hour < end

    night = float(at_night(this))
    foreign = None if this.country is None else float(this.country not in settings.home)
    values: Values = dict.fromkeys(("hour_share", "weekday_share", "night_unusual", "country_share"))
    values |= {"night": night, "foreign_use": foreign, "night_foreign": None if foreign is None else night * foreign}
    if not night:
        values["night_unusual"] = 0
    if this.customer is None:
        return values | {"night_unusual": None}
    values["hour_share"] = (sum(each.local.hour == this.local.hour for each in mine) + 1) / (len(mine) + 24)
    values["weekday_share"] = (sum(each.local.weekday() == this.local.weekday() for each in mine) + 1) / (len(mine) + 7)
    if night:
        values["night_unusual"] = 1 - (sum(map(at_night, mine)) + 1) / (len(mine) + 2)
    if this.country is not None:
        countries = [each.country for each in mine if each.country is not None]
        values["country_share"] = (countries.count(this.country) + 1) / (len(countries) + 2)
    return values


def _travel(this: Transaction, mine: list[Transaction]) -> Values:
    there = [each for each in mine if each.latitude is not None and each.longitude is not None]
    if not there or this.latitude is None or this.longitude is None:
        return {"travel_speed": None}
    hours = max((this.time - there[-1].time) / timedelta(hours=1), 1 / 60)
    return {"travel_speed": _km(_point(there[-1]), _point(this)) / hours}


def _point(each: Transaction) -> tuple[float, float]:
    assert each.latitude is not None
    assert each.longitude is not None
    return math.radians(each.latitude), math.radians(each.longitude)


def _km(start: tuple[float, float], end: tuple[float, float]) -> float:
    """Along the great circle, by the angle between two unit vectors: another formula than the one under test."""

    def vector(point: tuple[float, float]) -> tuple[float, float, float]:
        latitude, longitude = point
        return (
            math.cos(latitude) * math.cos(longitude),
            math.cos(latitude) * math.sin(longitude),
            math.sin(latitude),
        )

    a, b = vector(start), vector(end)
    cross = (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
    return 6371.0 * math.atan2(math.hypot(*cross), sum(x * y for x, y in zip(a, b, strict=True)))


def _threshold(each: Transaction) -> float | None:
    if each.currency != "KRW":
        return None
    return next((amount for since, amount in THRESHOLDS if each.local.date() >= since), None)


def _near(each: Transaction, settings: Settings) -> bool:
    threshold = _threshold(each)
    return threshold is not None and settings.near * threshold <= each.amount < threshold


def _structuring(this: Transaction, mine: list[Transaction], days: int, settings: Settings) -> float | None:
    threshold = _threshold(this)
    if threshold is None:
        return None
    if not _near(this, settings):
        return 0
    recent = [each for each in mine if this.time - each.time < days * DAY and each.currency == this.currency]
    return (this.amount + sum(each.amount for each in recent if _near(each, settings))) / threshold


def _pauses(this: Transaction, mine: list[Transaction]) -> Values:
    times = [each.time for each in mine] + [this.time]
    pauses = [later - before for before, later in pairwise(times)]
    if not pauses:
        return dict.fromkeys(("days_since_previous", "pause_to_usual", "dormant_days"))
    usual = (times[-2] - times[0]) / (len(mine) - 1) if len(mine) > 1 else None
    ended = [pause for pause, end in zip(pauses, times[1:], strict=True) if this.time - end < DAY]
    return {
        "days_since_previous": pauses[-1] / DAY,
        "pause_to_usual": pauses[-1] / usual if usual else None,
        "dormant_days": max(ended) / DAY,
    }


def _card_testing(this: Transaction, mine: list[Transaction], settings: Settings) -> Values:
    if this.customer is None:
        return {"small_1h": None, "small_1d": None, "large_7d": None}

    def small(position: int) -> bool:
        each = mine[position]
        past = [other.amount for other in mine[:position] if other.currency == each.currency]
        return bool(past) and each.amount > 0 and each.amount <= settings.small * mean(past)

    def large(position: int) -> bool:
        each = mine[position]
        past = [other.amount for other in mine[:position] if other.currency == each.currency]
        return bool(past) and each.amount > settings.large * mean(past)

    ages = [this.time - each.time for position, each in enumerate(mine) if small(position)]
    return {
        "small_1h": sum(age < timedelta(hours=1) for age in ages),
        "small_1d": sum(age < DAY for age in ages),
        "large_7d": sum(this.time - each.time < 7 * DAY for at, each in enumerate(mine) if large(at)),
    }


START = datetime(2024, 3, 4, tzinfo=UTC)
"""A Monday, 09:00 in Seoul."""
