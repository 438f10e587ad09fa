"""The signals, declared once. No constant here is fitted to data; what a desk may set is in `settings`."""

from datetime import timedelta

from localfin.fraud.signals.signal import Sentence, Signal
from localfin.fraud.signals.windows import DAY_US, DAYS, HOUR_US


def _(text: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is said."""
    return text


def _velocity(days: int) -> tuple[Signal, ...]:
    window = timedelta(days=days)
    return (
        Signal(
            name=f"count_{days}d",
            unit="transactions",
            sentence=_("{count} transactions of the customer in the {days} d before"),
            expression=f"count_{days}d",
            evidence={"count": f"count_{days}d", "days": days},
            window=window,
        ),
        Signal(
            name=f"amount_sum_{days}d",
            unit="money",
            sentence=_("{sum} spent by the customer in {count} transactions in the {days} d before"),
            expression=f"hundredths_{days}d / 100",
            evidence={"sum": f"amount_sum_{days}d", "count": f"amounts_{days}d", "days": days},
            window=window,
        ),
        Signal(
            name=f"amount_mean_{days}d",
            unit="money",
            sentence=_("{mean} is the mean of the customer's {count} amounts in the {days} d before"),
            expression=f"hundredths_{days}d / 100 / nullif(amounts_{days}d, 0)",
            evidence={"mean": f"amount_mean_{days}d", "count": f"amounts_{days}d", "days": days},
            window=window,
        ),
        Signal(
            name=f"counterparties_{days}d",
            unit="counterparties",
            sentence=_(
                "{counterparties} counterparties of the customer in {count} transactions in the {days} d before"
            ),
            expression=f"counterparties_{days}d",
            evidence={"counterparties": f"counterparties_{days}d", "count": f"count_{days}d", "days": days},
            window=window,
        ),
    )


_AMOUNT = (
    Signal(
        name="amount",
        unit="money",
        sentence=_("The amount is {amount}"),
        expression="amount",
        evidence={"amount": "amount"},
        window=timedelta(0),
    ),
    Signal(
        name="amount_to_mean",
        unit="ratio",
        sentence=_("{amount} is {ratio} times the customer's mean of {mean} ({count} amounts)"),
        expression="amount / nullif(past_mean, 0)",
        evidence={"amount": "amount", "ratio": "amount_to_mean", "mean": "past_mean", "count": "past_amounts"},
    ),
    Signal(
        name="amount_to_max",
        unit="ratio",
        sentence=_("{amount} is {ratio} times the largest of the customer's {count} amounts, {max}"),
        expression="amount / nullif(past_max, 0)",
        evidence={"amount": "amount", "ratio": "amount_to_max", "max": "past_max", "count": "past_amounts"},
    ),
    Signal(
        name="amount_z",
        unit="deviations",
        sentence=_("{amount} lies {z} standard deviations of {deviation} from the customer's mean of {mean}"),
        # A floor of a hundredth of the mean: of amounts that were all alike, the next may still differ a little.
        # Rounded, because the deviation, alone among all measures, may depend in its last bit on the order of addition.
        expression="round((amount - past_mean) / nullif(past_spread, 0), 6)",
        evidence={"amount": "amount", "z": "amount_z", "deviation": "past_spread", "mean": "past_mean"},
    ),
    Signal(
        name="amount_largest",
        unit="yes or no",
        sentence=_("{amount} against at most {max} in the customer's {count} amounts before"),
        expression="CASE WHEN amount > past_max THEN 1 WHEN amount <= past_max THEN 0 END",
        evidence={"amount": "amount", "max": "past_max", "count": "past_amounts"},
    ),
)


def _risk(days: int) -> tuple[Signal, ...]:
    window = timedelta(days=days)
    return (
        Signal(
            name=f"counterparty_risk_{days}d",
            unit="share",
            sentence=_(
                "{risk:%} estimated share of fraud at the counterparty: {frauds} of {labels} in the {days} d "
                "before the label delay, {overall:%} overall"
            ),
            expression=f"(frauds_{days}d + prior_weight * overall_rate) / (labels_{days}d + prior_weight)",
            evidence={
                "risk": f"counterparty_risk_{days}d",
                "frauds": f"frauds_{days}d",
                "labels": f"labels_{days}d",
                "overall": "overall_rate",
                "days": days,
            },
            window=window,
            labels=True,
        ),
        Signal(
            # The rate in the window times the count in the window is the number of frauds.
            name=f"counterparty_frauds_{days}d",
            unit="frauds",
            sentence=_("{frauds} known frauds at the counterparty in the {days} d before the label delay"),
            expression=f"CASE WHEN overall_rate IS NOT NULL THEN frauds_{days}d END",
            evidence={"frauds": f"frauds_{days}d", "labels": f"labels_{days}d", "days": days},
            window=window,
            labels=True,
        ),
    )


_LAST_FRAUD = Signal(
    name="counterparty_days_since_fraud",
    unit="days",
    sentence=_("{since} d since the last known fraud at the counterparty"),
    expression=f"(t - last_fraud_t) / {DAY_US}e0",
    evidence={"since": "counterparty_days_since_fraud"},
    labels=True,
)

_LAST_GOOD = Signal(
    name="counterparty_days_since_good",
    unit="days",
    sentence=_("{since} d since the last transaction at the counterparty that is known to be no fraud"),
    expression=f"(t - last_good_t) / {DAY_US}e0",
    evidence={"since": "counterparty_days_since_good"},
    window=timedelta(days=30),
    labels=True,
)

_COUNTERPARTY = (
    Signal(
        name="counterparty_new",
        unit="yes or no",
        sentence=_("{before} of the customer's {count} transactions before were with this counterparty"),
        expression="CASE WHEN past_count = 0 THEN NULL WHEN pair_count = 0 THEN 1 WHEN pair_count > 0 THEN 0 END",
        evidence={"before": "pair_count", "count": "past_count"},
    ),
    Signal(
        name="counterparty_count",
        unit="transactions",
        sentence=_("{before} transactions of the customer with this counterparty before"),
        expression="pair_count",
        evidence={"before": "pair_count"},
    ),
    Signal(
        name="new_counterparty_amount",
        unit="ratio",
        sentence=_("{amount} to a counterparty with {before} transactions before; the customer's mean is {mean}"),
        expression="CASE WHEN pair_count > 0 THEN 0 WHEN pair_count = 0 THEN amount / nullif(past_mean, 0) END",
        evidence={"amount": "amount", "before": "pair_count", "mean": "past_mean"},
        # All that the customer did before may have been in another currency.
        otherwise=(Sentence(_("{amount} to a counterparty with {before} transactions of the customer before")),),
    ),
)

_HABIT = (
    Signal(
        name="hour_share",
        unit="share",
        sentence=_("{same} of the customer's {count} transactions before were in this hour of the day ({hour} h)"),
        # One is added per hour of the day, so that a customer of few transactions has no habit yet.
        expression="(same_hour + 1) / (past_count + 24e0)",
        evidence={"same": "same_hour", "count": "past_count", "hour": "hour"},
    ),
    Signal(
        name="weekday_share",
        unit="share",
        sentence=_("{same} of the customer's {count} transactions before were on this day of the week"),
        expression="(same_weekday + 1) / (past_count + 7e0)",
        evidence={"same": "same_weekday", "count": "past_count"},
    ),
    Signal(
        name="night",
        unit="yes or no",
        sentence=_("At {hour} h; {night} of the customer's {count} transactions before were at night"),
        expression="night",
        evidence={"hour": "hour", "night": "past_night", "count": "past_count"},
        window=timedelta(0),
        otherwise=(Sentence(_("The transaction was made at {hour} h")),),
    ),
    Signal(
        name="night_unusual",
        unit="share",
        sentence=_("At {hour} h; {night} of the customer's {count} transactions before were at night"),
        expression="CASE WHEN past_count IS NULL THEN NULL WHEN night = 0 THEN 0"
        " WHEN night = 1 THEN 1 - (coalesce(past_night, 0) + 1) / (past_count + 2e0) END",
        evidence={"hour": "hour", "night": "past_night", "count": "past_count"},
    ),
    Signal(
        name="foreign_use",
        unit="yes or no",
        sentence=_("{same} of the customer's {count} transactions before were in this country"),
        expression="abroad",
        evidence={"same": "same_country", "count": "past_countries", "abroad": "foreign_use"},
        window=timedelta(0),
        otherwise=(
            Sentence(_("The transaction was made abroad"), {"abroad": 1}),
            Sentence(_("The transaction was made in the home country"), {"abroad": 0}),
        ),
    ),
    Signal(
        name="country_share",
        unit="share",
        sentence=_("{same} of the customer's {count} transactions before were in this country"),
        expression="(same_country + 1) / (past_countries + 2e0)",
        evidence={"same": "same_country", "count": "past_countries"},
    ),
    Signal(
        name="night_foreign",
        unit="yes or no",
        sentence=_("At {hour} h abroad; {same} of the customer's {count} transactions before were in this country"),
        expression="night * abroad",
        evidence={"hour": "hour", "same": "same_country", "count": "past_countries", "abroad": "foreign_use"},
        window=timedelta(0),
        where={"abroad": 1},
        otherwise=(
            Sentence(_("The transaction was made at {hour} h abroad"), {"abroad": 1}),
            Sentence(_("The transaction was made at {hour} h in the home country"), {"abroad": 0}),
        ),
    ),
)

_TRAVEL = Signal(
    name="travel_speed",
    unit="km/h",
    sentence=_("{km} km from the customer's transaction {minutes} min before: {speed} km/h"),
    # Less than a minute counts as one: times are often cut to minutes.
    expression=f"travel_km / (greatest(travel_us, {HOUR_US // 60}) / {HOUR_US}e0)",
    evidence={"km": "travel_km", "minutes": "travel_minutes", "speed": "travel_speed"},
)


def _structuring(days: int) -> Signal:
    return Signal(
        name=f"structuring_{days}d",
        unit="ratio",
        sentence=_(
            "{amount} is near and under the reporting threshold of {threshold}; {count} such amounts in the {days} d "
            "before add {sum}"
        ),
        expression=f"CASE WHEN past_amounts IS NULL THEN NULL WHEN near THEN (amount + near_{days}d) / threshold"
        " WHEN threshold > 0 THEN 0 END",
        evidence={
            "amount": "amount",
            "threshold": "threshold",
            "count": f"near_count_{days}d",
            "sum": f"near_{days}d",
            "days": days,
        },
        window=timedelta(days=days),
        # Only amounts near it have such amounts before them.
        otherwise=(Sentence(_("{amount} is not just under the reporting threshold of {threshold}")),),
    )


_DORMANT = (
    Signal(
        name="days_since_previous",
        unit="days",
        sentence=_("{pause} d since the customer's transaction before"),
        expression=f"since_previous / {DAY_US}e0",
        evidence={"pause": "days_since_previous"},
    ),
    Signal(
        name="pause_to_usual",
        unit="ratio",
        sentence=_("{pause} d since the customer's transaction before; {usual} d apart on average until then"),
        expression="since_previous / nullif(usual_us, 0)",
        evidence={"pause": "days_since_previous", "usual": "usual_days"},
    ),
    Signal(
        name="dormant_days",
        unit="days",
        sentence=_("The customer was inactive for {pause} d until the last {days} d, with {count} transactions since"),
        expression=f"CASE WHEN past_count > 0 THEN longest_pause / {DAY_US}e0 END",
        evidence={"pause": "dormant_days", "count": "count_1d", "days": 1},
    ),
)


def _mules(days: int) -> Signal:
    return Signal(
        name=f"payers_{days}d",
        unit="customers",
        sentence=_("{payers} customers paid the counterparty in the {days} d before"),
        expression=f"payers_{days}d",
        evidence={"payers": f"payers_{days}d", "days": days},
        window=timedelta(days=days),
    )


_FANS = (
    Signal(
        name="new_payers_7d",
        unit="customers",
        sentence=_("{new} of {payers} customers paid the counterparty for the first time in the {days} d before"),
        expression="new_payers_7d",
        evidence={"new": "new_payers_7d", "payers": "payers_7d", "days": 7},
        window=timedelta(days=7),
    ),
    Signal(
        name="new_counterparties_7d",
        unit="counterparties",
        sentence=_("{new} of the customer's {counterparties} counterparties in the {days} d before were new"),
        expression="new_counterparties_7d",
        evidence={"new": "new_counterparties_7d", "counterparties": "counterparties_7d", "days": 7},
        window=timedelta(days=7),
    ),
)


def _card_testing(name: str, hours: int) -> Signal:
    return Signal(
        name=name,
        unit="transactions",
        sentence=_("{small} amounts that are small for the customer in the {hours} h before"),
        expression=name,
        evidence={"small": name, "hours": hours},
        window=timedelta(hours=hours),
    )


_LARGE = Signal(
    name="large_7d",
    unit="transactions",
    sentence=_("{large} amounts that are large for the customer in the {days} d before"),
    expression="large_7d",
    evidence={"large": "large_7d", "days": 7},
    window=timedelta(days=7),
)

SIGNALS: tuple[Signal, ...] = (
    *(signal for days in DAYS for signal in _velocity(days)),
    *_AMOUNT,
    *(signal for days in DAYS for signal in _risk(days)),
    _LAST_FRAUD,
    _LAST_GOOD,
    *_COUNTERPARTY,
    *_HABIT,
    _TRAVEL,
    _structuring(1),
    _structuring(7),
    *_DORMANT,
    *(_mules(days) for days in (1, 7)),
    *_FANS,
    _card_testing("small_1h", 1),
    _card_testing("small_1d", 24),
    _LARGE,
)
"""In the order of the table's columns."""
