"""The measures that signals are made of: windows over a customer's, a pair's and a counterparty's transactions.

A stage is one SELECT whose windows share a partition, so that its rows are sorted once. Rows are ordered by time, and
rows of one time by their `row`: "before" means earlier in that order, and never the row itself. A window of seven days
holds the rows before whose time is later than seven days ago.
"""

from datetime import timedelta

from localfin.fraud.signals.dialect import Dialect
from localfin.fraud.signals.settings import Settings
from localfin.fraud.signals.stage import Stage, Wanted
from localfin.fraud.signals.windows import (
    DAY_US,
    DAYS,
    HOUR_US,
    HUNDREDTHS,
    before,
    counted,
    distinct,
    number_of,
    older,
    older_than,
    summed,
)


def stages(settings: Settings, dialect: Dialect, wanted: Wanted) -> tuple[Stage, ...]:
    """In the order in which they are computed; the first two give the table `paired` that the others read."""
    return (
        _moments(settings, dialect, wanted),
        _pairs(settings, wanted),
        _customers(),
        _nights(),
        _recent_counts(wanted),
        _amounts(settings),
        _recent_sums(wanted),
        _near(wanted),
        _last_days(),
        _habit("hour", "same_hour"),
        _habit("weekday", "same_weekday"),
        _countries(),
        _travel(),
        _payers(wanted),
        _labels(settings, wanted),
        _frauds(settings),
        _overall(settings, dialect, wanted),
    )


def _moments(settings: Settings, dialect: Dialect, wanted: Wanted) -> Stage:
    """`transactions` with times and amounts as numbers."""
    first, end = settings.night
    within = "AND" if first <= end else "OR"
    hour = dialect.hour.format(time="local_time")
    return Stage(
        name="moments",
        kept="TRUE",
        source="transactions",
        where=wanted.related(),
        carried="row, is_new, customer, counterparty, currency, country, amount, latitude, longitude",
        measures={
            "wanted": wanted.rows,
            "t": dialect.microseconds.format(time="time"),
            "hour": hour,
            "weekday": dialect.weekday.format(time="local_time"),
            "night": f"CASE WHEN {hour} >= {first} {within} {hour} < {end} THEN 1 WHEN {hour} IS NOT NULL THEN 0 END",
            "hundredths": f"round(amount * {HUNDREDTHS})",
            "fraud": "CASE WHEN label THEN 1 WHEN NOT label THEN 0 END",
            "threshold": _threshold(settings),
        },
    )


def _threshold(settings: Settings) -> str:
    """The reporting threshold in force, by currency and local day."""
    latest_first = sorted(settings.thresholds, key=lambda threshold: threshold.since, reverse=True)
    cases = [
        f"WHEN currency = '{threshold.currency.replace(chr(39), chr(39) * 2)}' "
        f"AND local_time >= TIMESTAMP '{threshold.since.isoformat()} 00:00:00' THEN {threshold.amount!r}"
        for threshold in latest_first
    ]
    return f"CAST(CASE {' '.join(cases)} END AS DOUBLE)" if cases else "CAST(NULL AS DOUBLE)"


def _pairs(settings: Settings, wanted: Wanted) -> Stage:
    """Each row with what the same customer did before at the same counterparty, and when next."""
    known = "customer IS NOT NULL AND counterparty IS NOT NULL"
    return Stage(
        name="paired",
        kept="TRUE",
        source="moments",
        carried="row, is_new, wanted, customer, counterparty, currency, country, amount, latitude, longitude, t, hour,"
        " weekday, night, hundredths, fraud, threshold",
        measures={
            "pair_count": f"CASE WHEN {known} THEN row_number() OVER pair - 1 END",
            "since_pair": f"CASE WHEN {known} THEN t - lag(t) OVER pair END",
            "until_pair": f"CASE WHEN {known} THEN (lead(t) OVER pair) - t END",
            "near": f"amount >= {settings.near!r} * threshold AND amount < threshold",
            "recent": wanted.within(7 * DAY_US),
        },
        windows={"pair": "PARTITION BY customer, counterparty ORDER BY t, row"},
    )


def _customers() -> Stage:
    """What the customer did before, and when."""
    return Stage(
        name="of_customer",
        kept="recent",
        source="paired",
        where="customer IS NOT NULL",
        measures={
            "past_count": counted("row_number() OVER ordered - 1"),
            "first_t": "first_value(t) OVER ordered",
            "since_previous": "t - lag(t) OVER ordered",
        },
        windows={"ordered": "PARTITION BY customer ORDER BY t, row"},
    )


def _nights() -> Stage:
    """How many of the customer's transactions before were at night."""
    return Stage(
        name="of_night",
        source="paired",
        where="customer IS NOT NULL AND (night = 1 OR wanted)",
        measures={"past_night": counted("count(CASE WHEN night = 1 THEN 1 END) OVER before")},
        windows={"before": before("PARTITION BY customer")},
    )


def _recent_counts(wanted: Wanted) -> Stage:
    """Counts over what the customer did in windows of days before."""
    partition = "PARTITION BY customer"
    longest = max(DAYS) * DAY_US
    return Stage(
        name="of_windows",
        source="paired",
        where=f"customer IS NOT NULL AND {wanted.within(longest)}",
        measures={
            **{
                f"count_{days}d": counted(f"row_number() OVER ordered - 1 - count(*) OVER older_{days}d")
                for days in DAYS
            },
            **{f"counterparties_{days}d": distinct("counterparty", days, wanted, longest) for days in DAYS},
            "new_counterparties_7d": number_of("pair_count = 0", "older_7d"),
        },
        windows={"ordered": f"{partition} ORDER BY t, row", "before": before(partition), **older(partition)},
    )


def _amounts(settings: Settings) -> Stage:
    """The customer's amounts before in the same currency: amounts of two do not add up."""
    partition = "PARTITION BY customer, currency"
    mean = f"sum(hundredths) OVER before / {HUNDREDTHS} / nullif(row_number() OVER ordered - 1, 0)"
    return Stage(
        name="of_amounts",
        kept="recent",
        source="paired",
        where="customer IS NOT NULL AND amount IS NOT NULL",
        measures={
            "past_amounts": counted("row_number() OVER ordered - 1"),
            "past_mean": mean,
            "past_max": "max(amount) OVER before",
            "past_deviation": "stddev_samp(amount) OVER before",
            "small": f"amount > 0 AND amount <= {settings.small!r} * ({mean})",
            "large": f"amount > {settings.large!r} * ({mean})",
        },
        windows={"ordered": f"{partition} ORDER BY t, row", "before": before(partition)},
    )


def _recent_sums(wanted: Wanted) -> Stage:
    """The customer's amounts in windows of days before, in the same currency."""
    partition = "PARTITION BY customer, currency"
    return Stage(
        name="of_sums",
        source="paired",
        where=f"customer IS NOT NULL AND amount IS NOT NULL AND {wanted.within(max(DAYS) * DAY_US)}",
        measures={
            name: sql
            for days in DAYS
            for name, sql in {
                f"amounts_{days}d": counted(f"row_number() OVER ordered - 1 - count(*) OVER older_{days}d"),
                f"hundredths_{days}d": summed("hundredths", f"older_{days}d"),
            }.items()
        },
        windows={"ordered": f"{partition} ORDER BY t, row", "before": before(partition), **older(partition)},
    )


def _near(wanted: Wanted) -> Stage:
    """Amounts near the reporting threshold before another such: windows over those alone, which are few."""
    partition = "PARTITION BY customer, currency"
    return Stage(
        name="of_near",
        source="paired",
        where=f"customer IS NOT NULL AND near AND {wanted.within(7 * DAY_US)}",
        measures={
            name: sql
            for days in (1, 7)
            for name, sql in {
                f"near_{days}d": f"({summed('hundredths', f'older_{days}d')}) / {HUNDREDTHS}",
                f"near_count_{days}d": counted(f"count(*) OVER before - count(*) OVER older_{days}d"),
            }.items()
        },
        windows={"before": before(partition), **older(partition, (1, 7))},
    )


def _last_days() -> Stage:
    """What needs a measure of each row before it: pauses that ended, amounts small or large for the customer."""
    return Stage(
        name="of_last_days",
        source="paired JOIN of_customer USING (row) LEFT JOIN of_amounts USING (row)",
        where="recent",
        measures={
            # Later rows of the same time have no pause before them, so that this frame may hold them.
            "longest_pause": "max(since_previous) OVER last_day",
            "small_1h": number_of("small", "older_1h"),
            "small_1d": number_of("small", "older_1d"),
            "large_7d": number_of("large", "older_7d"),
        },
        windows={
            "before": before("PARTITION BY customer"),
            "older_1h": older_than("PARTITION BY customer", HOUR_US),
            "older_1d": older_than("PARTITION BY customer", DAY_US),
            "older_7d": older_than("PARTITION BY customer", 7 * DAY_US),
            "last_day": f"PARTITION BY customer ORDER BY t RANGE BETWEEN {DAY_US - 1} PRECEDING AND CURRENT ROW",
        },
    )


def _habit(column: str, measure: str) -> Stage:
    """How many of the customer's transactions before had the same value in a column."""
    return Stage(
        name=f"of_{column}",
        source="paired",
        where=f"customer IS NOT NULL AND {column} IS NOT NULL",
        measures={measure: counted("row_number() OVER same - 1")},
        windows={"same": f"PARTITION BY customer, {column} ORDER BY t, row"},
    )


def _countries() -> Stage:
    """How many of the customer's transactions before had a country, and how many the same one."""
    return Stage(
        name="of_country",
        source="paired",
        where="customer IS NOT NULL AND country IS NOT NULL",
        measures={
            "same_country": counted("row_number() OVER same - 1"),
            "past_countries": counted("row_number() OVER every - 1"),
        },
        windows={
            "same": "PARTITION BY customer, country ORDER BY t, row",
            "every": "PARTITION BY customer ORDER BY t, row",
        },
        needs="country",
    )


def _travel() -> Stage:
    """Where and when the customer's transaction before with coordinates was."""
    return Stage(
        name="of_travel",
        source="paired",
        where="customer IS NOT NULL AND latitude IS NOT NULL AND longitude IS NOT NULL",
        measures={
            "from_latitude": "lag(latitude) OVER consecutive",
            "from_longitude": "lag(longitude) OVER consecutive",
            "travel_us": "t - lag(t) OVER consecutive",
        },
        windows={"consecutive": "PARTITION BY customer ORDER BY t, row"},
        needs="latitude",
    )


def _payers(wanted: Wanted) -> Stage:
    """Who paid the counterparty before."""
    partition = "PARTITION BY counterparty"
    longest = 7 * DAY_US
    return Stage(
        name="of_counterparty",
        source="paired",
        where=f"counterparty IS NOT NULL AND {wanted.within(longest)}",
        measures={
            **{f"payers_{days}d": distinct("customer", days, wanted, longest) for days in (1, 7)},
            "new_payers_7d": number_of("pair_count = 0", "older_7d"),
        },
        windows={"before": before(partition), **older(partition, (1, 7))},
    )


def _labels(settings: Settings, wanted: Wanted) -> Stage:
    """What was known of the counterparty: labels older than the delay, at no row's own time."""
    partition = "PARTITION BY counterparty"
    known = _known_us(settings)
    frauds = "count(CASE WHEN fraud = 1 THEN 1 END)"
    return Stage(
        name="of_labels",
        source="paired",
        where="counterparty IS NOT NULL AND (fraud IS NOT NULL OR wanted) AND "
        + wanted.within(known + max(DAYS) * DAY_US),
        measures={
            **{f"labels_{days}d": counted(f"count(fraud) OVER ripe - count(fraud) OVER ripe_{days}d") for days in DAYS},
            **{f"frauds_{days}d": counted(f"{frauds} OVER ripe - {frauds} OVER ripe_{days}d") for days in DAYS},
            "last_good_t": "max(CASE WHEN fraud = 0 THEN t END) OVER month",
        },
        windows={
            "ripe": older_than(partition, known),
            **{f"ripe_{days}d": older_than(partition, known + days * DAY_US) for days in DAYS},
            "month": f"{partition} ORDER BY t RANGE BETWEEN {known + 30 * DAY_US - 1} PRECEDING AND {known} PRECEDING",
        },
        needs="label",
    )


def _frauds(settings: Settings) -> Stage:
    """When the last fraud was that was known of the counterparty."""
    return Stage(
        name="of_frauds",
        source="paired",
        where="counterparty IS NOT NULL AND (fraud = 1 OR wanted)",
        measures={"last_fraud_t": "max(CASE WHEN fraud = 1 THEN t END) OVER ripe"},
        windows={"ripe": older_than("PARTITION BY counterparty", _known_us(settings))},
        needs="label",
    )


def _overall(settings: Settings, dialect: Dialect, wanted: Wanted) -> Stage:
    """The overall rate of fraud known to a row: of the whole days (UTC) that lie before its time less the delay.

    By days, because a running total over all rows would bring them all to one machine of a cluster.
    """
    delay = settings.label_delay // _MICROSECOND
    time = dialect.microseconds.format(time="time")
    day = f"CAST(floor((t - {delay}) / {DAY_US}e0) AS BIGINT)"
    return Stage(
        name="of_all",
        source=f"""(SELECT row, wanted, {day} AS known_day FROM paired WHERE wanted) AS dated JOIN (
    SELECT known_day, sum(day_labels) AS all_labels, sum(day_frauds) AS all_frauds
    FROM (SELECT DISTINCT {day} AS known_day FROM paired WHERE wanted) AS asked JOIN (
      SELECT CAST(floor({time} / {DAY_US}e0) AS BIGINT) AS labelled_day, count(label) AS day_labels,
        count(CASE WHEN label THEN 1 END) AS day_frauds
      FROM transactions WHERE label IS NOT NULL GROUP BY 1
    ) AS daily ON labelled_day < known_day
    GROUP BY known_day
  ) AS known USING (known_day)""",
        measures={"overall_rate": "all_frauds / CAST(all_labels AS DOUBLE)", "overall_labels": "all_labels"},
    )


def _known_us(settings: Settings) -> int:
    """How old a label is at least, when it is known: older than the delay."""
    return settings.label_delay // _MICROSECOND + 1


_MICROSECOND = timedelta(microseconds=1)
