"""Amounts, moments and the small values: what people write, and that SQL and Python read the same."""

import contextlib
import re
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localfin import amounts
from localfin.fraud.transactions import moments, values
from localfin.fraud.transactions.time_sql import time_sql


@pytest.mark.parametrize(
    ("text", "value", "currency"),
    [
        ("5", "5", None),
        ("5,000", "5000", None),
        ("1,234,567.89", "1234567.89", None),
        ("12,34,567", "1234567", None),
        ("1 234 567", "1234567", None),
        ("1.234,56", "1234.56", None),
        ("1.0E+07", "10000000", None),
        (" ₩ 5,000 ", "5000", "KRW"),
        ("￦5,000", "5000", "KRW"),
        ("\\5,000", "5000", "KRW"),
        ("5,000원", "5000", "KRW"),
        ("5천원", "5000", "KRW"),
        ("3천5백", "3500", None),
        ("5000만원", "50000000", "KRW"),
        ("천만원", "10000000", "KRW"),
        ("오천만원", "50000000", "KRW"),
        ("1.5억", "150000000", None),
        ("1억 2천만원", "120000000", "KRW"),
        ("1억2,345만6,789원", "123456789", "KRW"),
        ("２조", "2000000000000", None),
        ("$1,234.50", "1234.50", "USD"),
        ("US$ 30", "30", "USD"),
        ("30 dollars", "30", "USD"),
        ("EUR 12.5", "12.5", "EUR"),
        ("50 million won", "50000000", "KRW"),
        ("5k", "5000", None),
        ("(300)", "-300", None),
        ("-300", "-300", None),
        ("−300", "-300", None),
        ("300-", "-300", None),
        ("△300원", "-300", "KRW"),
        ("$(300)", "-300", "USD"),
        ('="5,000"', "5000", None),
        ("'5000", "5000", None),
    ],
)
def test_amounts(text: str, value: str, currency: str | None) -> None:
    assert amounts.amount(text) == amounts.Amount(Decimal(value), currency)


@pytest.mark.parametrize(
    "text",
    ["", "원", "abc", "1,5", "1,23,4", "--5", "(-5)", "5만3억", "5천6천", "$5원",
     "nan", "inf", "1e30", "9" * 500, "=1+1",
     "1.2.3", "0x10", "1_000", "5 만 만", "억억", "+-3", "-+3"],
)  # fmt: skip
def test_no_amounts(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the class is the contract
        amounts.amount(text)


def _korean(number: int) -> str:
    """`number` in units of four digits, as it is written: 1억 2345만 6789."""
    parts = []
    for power, unit in ((12, "조"), (8, "억"), (4, "만"), (0, "")):
        section = number // 10**power % 10**4
        if section:
            parts.append(f"{section}{unit}")
    return " ".join(parts)


@given(st.integers(1, 10**15 - 1))
def test_every_whole_amount_is_read_in_korean_units(number: int) -> None:
    assert amounts.amount(_korean(number) + "원").value == number
    assert amounts.amount(f"₩{number:,}").value == number


@given(st.text(max_size=40))
def test_any_text_is_an_amount_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert abs(amounts.amount(text).value) < amounts.LARGEST


@pytest.mark.parametrize(
    ("text", "scale", "currency"),
    [
        ("원", 1, "KRW"),
        ("천원", 1000, "KRW"),
        ("단위: 백만원", 1_000_000, "KRW"),
        ("USD", 1, "USD"),
        ("만", 10_000, None),
    ],
)
def test_units_of_headers(text: str, scale: int, currency: str | None) -> None:
    assert amounts.unit(text) == (scale, currency)


LOCAL = [
    ("2024-03-05 15:30:12", "2024-03-05 15:30:12"),
    ("2024-03-05T15:30", "2024-03-05 15:30:00"),
    ("2024-03-05 15:30:12.123456789", "2024-03-05 15:30:12.123456"),
    ("2024.03.05 15:30:12", "2024-03-05 15:30:12"),
    ("2024. 3. 5. 오후 3:30:12", "2024-03-05 15:30:12"),
    ("2024/3/5 9:05", "2024-03-05 09:05:00"),
    ("2024년 3월 5일", "2024-03-05 00:00:00"),
    ("2024년 3월 5일 (화) 오후 11시 5분 3초", "2024-03-05 23:05:03"),
    ("2024년3월5일 오전 12시 30분", "2024-03-05 00:30:00"),
    ("2024-03-05 새벽 3시", "2024-03-05 03:00:00"),
    ("2024-03-05 밤 12시", "2024-03-06 00:00:00"),
    ("2024-03-05 정오", "2024-03-05 12:00:00"),
    ("2024-03-05 24:00", "2024-03-06 00:00:00"),
    ("20240305", "2024-03-05 00:00:00"),
    ("20240305153012", "2024-03-05 15:30:12"),
    ("202403051530", "2024-03-05 15:30:00"),
    ("20240305 93012", "2024-03-05 09:30:12"),
    ("5 Mar 2024 3:04 PM", "2024-03-05 15:04:00"),
    ("March 5th, 2024", "2024-03-05 00:00:00"),
    ("5-Mar-24", "2024-03-05 00:00:00"),
    ("13/02/2024 10:00", "2024-02-13 10:00:00"),
    ("02/13/2024 10:00 PM", "2024-02-13 22:00:00"),
]


@pytest.mark.parametrize(("text", "expected"), LOCAL)
def test_local_times(text: str, expected: str) -> None:
    assert moments.moment(text) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    "text",
    ["2024-03-05T06:30:12Z", "2024-03-05 15:30:12+09:00", "2024-03-05 15:30:12 KST", "2024-03-05T15:30:12+0900",
     "1709620212", "1709620212000", "1709620212000000", "1709620212.0"],
)  # fmt: skip
def test_instants(text: str) -> None:
    assert moments.moment(text) == datetime(2024, 3, 5, 6, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["", "abc", "2024-13-01", "2024-02-30", "2024-03-05 25:00", "2024-03-05 10:60", "03/04/2024", "24.03.04",
     "12", "1899-01-01",
     "2024-03-05 오전 13시", "2024-03-05 10:00 +99:00", "99999999", "2024-03-05 24:01"],
)  # fmt: skip
def test_no_times(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the class is the contract
        moments.moment(text)


def test_an_order_reads_short_dates() -> None:
    assert moments.moment("03/04/2024", "dmy") == datetime(2024, 4, 3)
    assert moments.moment("03/04/2024", "mdy") == datetime(2024, 3, 4)
    assert moments.moment("24.03.04", "ymd") == datetime(2024, 3, 4)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("15:30", time(15, 30)), ("새벽 3시", time(3)), ("오후 3시 반", time(15, 30)), ("밤 11시", time(23)),
     ("3 pm", time(15)),
     ("12 AM", time(0)), ("저녁 7시 5분", time(19, 5)), ("자정", time(0)), ("낮 12시", time(12)), ("낮 1시", time(13))],
)  # fmt: skip
def test_clocks(text: str, expected: time) -> None:
    assert moments.clock(text) == expected


moment_texts = st.datetimes(datetime(1900, 1, 1), datetime(2199, 12, 31)).map(lambda at: at.replace(microsecond=0))


@given(moment_texts)
def test_what_is_written_is_read(at: datetime) -> None:
    half = "오전" if at.hour < 12 else "오후"
    hour = at.hour % 12 or 12
    for text in (
        at.isoformat(" "),
        at.isoformat("T"),
        f"{at:%Y.%m.%d %H:%M:%S}",
        f"{at.year}년 {at.month}월 {at.day}일 {half} {hour}시 {at.minute}분 {at.second}초",
        f"{at.year}-{at.month}-{at.day} {half} {hour}:{at.minute:02}:{at.second:02}",
    ):
        assert moments.moment(text) == at
    assert moments.moment(f"{at:%d/%m/%Y %H:%M:%S}", "dmy") == at
    assert moments.moment(f"{at:%m/%d/%Y %I:%M:%S %p}", "mdy") == at
    aware = at.replace(tzinfo=UTC)
    assert moments.moment(aware.isoformat()) == aware


@given(st.text(max_size=40))
def test_any_text_is_a_moment_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError, OverflowError):
        assert isinstance(moments.moment(text), datetime)


SHAPES = st.sampled_from(
    ["%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y.%m.%d", "%Y%m%d%H%M%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S+09:00",
     "%Y년 %m월 %d일 오전 %I시 %M분 %S초", "%Y-%m-%d 오후 %I:%M:%S", "%Y년 %m월 %d일 %H시 %M분 %S초",
     "%d/%m/%Y %H:%M:%S",
     "%Y-%m-%d %H:%M:%S.5", "%Y-%d-%m", "%Y-%m-%d 24:%M", "%Y-%m-%d %H:61", "%Y%m%d", "%s"]
)  # fmt: skip


def test_sql_and_python_read_the_same_times() -> None:
    duckdb = pytest.importorskip("duckdb")
    con = duckdb.connect()
    local, instant = time_sql("v", "dmy")

    @given(st.lists(st.tuples(moment_texts, SHAPES), min_size=1, max_size=50))
    def same(written: list[tuple[datetime, str]]) -> None:
        texts = [
            str(int((at - datetime(1970, 1, 1)) / timedelta(seconds=1))) if shape == "%s" else at.strftime(shape)
            for at, shape in written
        ]
        rows = con.execute(
            f"SELECT v, {local} AS local, {instant} FROM (SELECT unnest($1::VARCHAR[]) AS v)", [texts]
        ).fetchall()
        for text, at, instant_at in rows:
            found = at or (instant_at and instant_at.replace(tzinfo=UTC))
            if found is not None:
                assert moments.moment(text, "dmy") == found, text

    same()


def test_labels_countries_and_keys() -> None:
    assert [values.label(text) for text in ("1", "Y", "사기", "0", "정상", "false", "", "N/A")] == [
        True, True, True, False, False, False, None, None,
    ]  # fmt: skip
    with pytest.raises(ValueError, match="maybe"):
        values.label("maybe")
    assert [values.country(text) for text in ("해외", "국내", "Korea", "미국", "usa", "JP", "Atlantis", "-")] == [
        "FOREIGN", "KR", "KR", "US", "US", "JP", "ATLANTIS", None,
    ]  # fmt: skip
    assert values.key(" a\x1b[31mb\u202e\n c ") == "ab c"
    assert values.key("가") == "가"
    assert values.key("-\x1b") is None  # missing, once it is clean
    with pytest.raises(ValueError, match="long"):
        values.key("x" * 201)


@given(st.text(max_size=80))
def test_a_key_is_stable(text: str) -> None:
    found = values.key(text)
    assert found is None or (found == values.key(found) and not re.search(r"[\x00-\x1f\x7f-\x9f]", found))
