"""Tables and calls: what is read, what is computed, what is refused."""

import datetime
from decimal import Decimal
from types import SimpleNamespace

import duckdb
import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localfin.documents.passage import Block
from localfin.tables import Column, asked, call_from, reading, run, table_of, table_of_text, tables_of
from localfin.tables.opened import converted, opened
from localfin.tables.running import run_in
from localfin.tables.table import Stored
from localfin.tables.values import day, number
from localfin_models.errors import InputRefused, LocalfinError, NotFound

LEDGER = [
    ["날짜", "분류", "가맹점", "금액(원)", "결제수단"],
    ["2024-01-05", "식비", "김밥나라", "8,000", "카드"],
    ["2024-01-20", "교통", "코레일", "45,000", "현금"],
    ["2024-02-03", "식비", "스타벅스 강남점", "6,500", "카드"],
    ["2024-02-11", "문화", "교보문고", "32,000", "카드"],
    ["2024-02-28", "식비", "이마트", "-", "카드"],
    ["합계", "", "", "91,500", ""],
]
INCOME = [
    ["", "Years ended December 31,", ""],
    ["", "2019", "2018"],
    ["", "(in millions)", ""],
    ["Revenue:", "", ""],
    ["Products (1)", "$ 1,200", "$ 1,000"],
    ["Services", "300", "250"],
    ["", "$ 1,500", "$ 1,250"],
    ["Expenses:", "", ""],
    ["Services", "(90)", "(80)"],
    ["Impairment", "—", "12"],
    ["Gross margin", "43.2%", "40.0%"],
]


@pytest.fixture(scope="module")
def con():
    with duckdb.connect() as made:
        yield made


@pytest.fixture
def ledger():
    return table_of(LEDGER, "가계부", "가계부.csv")


@pytest.fixture
def income():
    return table_of(INCOME, "income", "income.csv")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234", "1234"), ("(53)", "-53"), ("$ (9,688)", "-9688"), ("(3,709 )", "-3709"), ("12.5%", "12.5"),
        ("(9.4%)", "-9.4"), ("(2.1% )", "-2.1"), ("△3", "-3"), ("5,000만원", "50000000"), ("1,280 (2)", "1280"),
        ("$(0.5)", "-0.5"), ("−1", "-1"), ("1,280¹", "1280"), ("12*", "12"), ("₩3,000", "3000"),
    ],
)  # fmt: skip
def test_numbers_as_cells_write_them(text, value):
    assert number(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "-", "—", "N/A", "abc", "1,5", "2024-03-01", "1/2", "A-12", "12 34 5"])
def test_what_is_no_number(text):
    assert number(text) is None


def test_a_day_written_in_either_order_is_no_day():
    assert day("03/04/2024") is None
    assert str(day("2024. 3. 4.")) == str(day("20240304")) == str(day("March 4, 2024")) == "2024-03-04"


def test_records_have_kinds_units_and_no_totals(ledger):
    assert [column.kind for column in ledger.columns] == ["date", "text", "text", "number", "text"]
    assert (ledger.column("금액(원)").unit, len(ledger.rows), ledger.totals) == ("원", 5, 1)


def test_a_sum_leaves_the_total_out_and_says_so(ledger):
    found = asked("금액 합계는 얼마야?", ledger)
    assert found.values == {"result": Decimal(91500), "rows": 5, "missing": 1, "totals left out": 1}
    assert "91,500원" in found.text
    assert found.source == "가계부.csv"
    assert 'sum("금액(원)")' in found.formula
    assert run(found.call, ledger).values == found.values


def test_a_report_is_cells_with_sections_and_named_totals(income):
    assert income.is_report
    assert income.column("value").unit == "in millions"
    labels = {(row[0], row[1]) for row in income.rows}
    assert {
        ("Revenue", "Products"),
        ("Revenue", "Services"),
        ("Revenue", "Total Revenue"),
        ("Expenses", "Services"),
    } <= labels
    assert {row[2] for row in income.rows} == {"Years ended December 31, 2019", "Years ended December 31, 2018"}


@pytest.mark.parametrize(
    ("question", "result"),
    [
        ("What was the change in Products from 2018 to 2019?", "200"),
        ("What was the percentage change in total revenue between 2018 and 2019?", "20.00"),
        ("What is the average Impairment for 2018 and 2019?", "6.000"),
        ("What was the change in gross margin from 2018 to 2019?", "3.2"),
        ("How much were services under expenses in 2018?", "-80"),
    ],
)
def test_questions_about_a_report(income, question, result):
    assert asked(question, income).values["result"] == Decimal(result)


@pytest.mark.parametrize(
    "question",
    [
        "What was the change in services from 2018 to 2019?",  # which of the two?
        "What was the change in Products from 2017 to 2019?",
        "What was the change in advertising from 2018 to 2019?",
        "Why did Products grow from 2018 to 2019?",
        "What will Products be in 2019 if they grow by 10%?",
        "What was the percentage change in Impairment from 2019 to 2018?",  # from nothing
        "",
        "a" * 5000,
    ],
)
def test_silence_where_it_is_not_sure(income, question):
    assert asked(question, income) is None


@pytest.mark.parametrize(
    "call",
    [
        [],
        {"do": "value", "what": "sum", "column": "없는 열", "where": []},
        {"do": "value", "what": "sum", "column": "분류", "where": []},
        {"do": "value", "what": "sum"},
        {"do": "drop", "what": "count", "column": None},
        {"do": "growth", "what": "sum", "column": "금액(원)", "where": []},
        {"do": "value", "what": "count", "where": [{"column": "날짜", "is": ">", "value": "2024-02-31"}]},
        {"do": "value", "what": "count", "where": [{"column": "금액(원)", "is": ">", "value": "NaN"}]},
        {"do": "value", "what": "count", "column": None, "where": [{"column": "분류", "is": "<", "value": "식비"}]},
        {"do": "rows", "column": "금액(원)", "where": [], "order": "highest", "limit": 1000},
        {"do": "value", "what": "value", "column": "금액(원)", "where": []},
    ],
)  # fmt: skip
def test_calls_that_do_not_fit_the_table_are_refused(ledger, call):
    with pytest.raises(InputRefused):
        run(call, ledger)


def test_a_block_of_a_document_is_a_table():
    table = table_of_text("계정\t2023년\t2024년\n매출액\t1,000\t1,200\n영업이익\t(50)\t70", "손익", "보고서 3쪽")
    found = asked("매출액의 2023년 대비 2024년 증가율은?", table)
    assert (found.values["result"], found.source) == (Decimal("20.00"), "보고서 3쪽")
    assert asked("영업이익 증가율은 2023년에서 2024년에 얼마야?", table) is None  # from a loss


def test_a_csv_file(tmp_path):
    path = tmp_path / "가계부.csv"
    path.write_text("\n".join(",".join(f'"{cell}"' for cell in row) for row in LEDGER), encoding="cp949")
    [table] = tables_of(path)
    assert asked("카드로 결제한 건수는?", table).values["result"] == 4
    with pytest.raises(NotFound):
        tables_of(tmp_path / "none.csv")
    (tmp_path / "empty.csv").write_text("a,b\n")
    with pytest.raises(InputRefused):
        tables_of(tmp_path / "empty.csv")


HOSTILE = [
    'a"; DROP TABLE rows; --', "x' OR '1'='1", "\\", '"', "'", "root ::= [^x]*", "a\u202eb", "\x1b[31mred", "{0}{x}%s",
    "]}", "SELECT", "rowid", "금액\x00", "a\tb", "${HOME}", "`id`",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_and_values_are_data(text):
    table = table_of([[text, "amount"], [text + "1", "5"], ["b", "7"]], text, text)
    column = table.columns[0].name
    value = table.rows[0][0]
    call = {"do": "value", "what": "sum", "column": "amount", "where": [{"column": column, "is": "=", "value": value}]}
    found = run(call, table)
    assert found.values["result"] == 5
    assert call_from(found.call, table).as_json() == found.call
    assert not set("\x00\x1b\u202e").intersection(found.text + found.formula)
    assert run({"do": "value", "what": "count", "column": None, "where": []}, table).values["result"] == 2


def test_a_file_that_is_not_kept_in_memory_gives_the_same(tmp_path, monkeypatch):
    path = tmp_path / "내역 [1].csv"
    lines = [",".join(f'"{cell}"' for cell in row) for row in LEDGER]
    path.write_text("\n".join(lines), encoding="utf-8")
    [kept] = tables_of(path)
    monkeypatch.setattr(reading, "IN_MEMORY", 0)
    [stored] = tables_of(path)
    assert isinstance(stored.rows, Stored)
    assert stored.columns == kept.columns
    for question in (
        "금액 합계는?",
        "카드로 결제한 건수는?",
        "2월 식비 합계",
        "분류별 합계",
        "가장 비싼 거래 2건",
        "평균 금액은?",
    ):
        a, b = asked(question, kept), asked(question, stored)
        assert {key: value for key, value in a.values.items() if key != "totals left out"} == b.values, question
    path.write_text("날짜,구분,금액\n2024-01-02,지출,500\n2024-01-03,수입,9000\n", encoding="utf-8")
    assert asked("1월에 얼마 썼어?", tables_of(path)[0]).values["result"] == 500
    path.write_text("\n".join(lines), encoding="cp949")
    assert asked("2월 식비 합계", tables_of(path)[0]).values["result"] == 6500


@given(
    st.lists(
        st.tuples(st.sampled_from("가나다"), st.decimals("-1e12", "1e12", places=2) | st.none()),
        min_size=1,
        max_size=40,
    )
)
@settings(max_examples=15, deadline=None)
def test_sums_counts_and_extremes_are_those_of_decimal(rows):
    table = table_of(
        [["종류", "금액"], ["가", "0.01"], *[[k, "" if v is None else f"{v:,}"] for k, v in rows]], "t", "t"
    )
    rows = [("가", Decimal("0.01")), *rows]
    numbers = [value for kind, value in rows if kind == "가" and value is not None]
    where = [{"column": "종류", "is": "=", "value": "가"}]
    count = sum(kind == "가" for kind, _value in rows)
    wanted = {"sum": sum(numbers), "minimum": min(numbers), "maximum": max(numbers), "count": len(numbers)}
    with opened(table) as opened_rows:
        for what, value in wanted.items():
            call = call_from({"do": "value", "what": what, "column": "금액", "where": where}, table)
            found = run_in(opened_rows, call, table, "en")
            assert (found.values["result"], found.values["rows"]) == (value, count)
        call = call_from({"do": "value", "what": "average", "column": "금액", "where": where}, table)
        average = run_in(opened_rows, call, table, "en").values["result"]
    assert abs(average - sum(numbers) / len(numbers)) <= Decimal("0.00005")


@settings(max_examples=60, deadline=None)
@given(
    st.decimals("-1e12", "1e12", places=2),
    st.sampled_from(["{:,}", "{}", "{:,}원", "${:,}", "({:,})", "{}%", " {:,} "]),
)
def test_a_file_reads_numbers_as_memory_does(con, value, form):
    text = form.format(abs(value) if "(" in form else value)
    sql = converted("cell", Column("금액", "number"))
    [(found,)] = con.execute(f"SELECT {sql} FROM (SELECT $1::VARCHAR AS cell)", [text]).fetchall()
    assert found == number(text.strip())


@pytest.mark.parametrize("text", ["1,5", "12,34,567", "abc", "1 2", "--1", "(1", "1.2.3", "1e5"])
def test_a_file_takes_nothing_for_a_number_that_memory_does_not(con, text):
    sql = converted("cell", Column("금액", "number"))
    [(found,)] = con.execute(f"SELECT {sql} FROM (SELECT $1::VARCHAR AS cell)", [text]).fetchall()
    assert found is None


def test_nothing_but_the_rows_can_be_reached(ledger, tmp_path):
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    with opened(ledger) as rows:
        for sql in (f"SELECT * FROM read_csv('{secret}')", f"SELECT * FROM '{secret}'", "SELECT * FROM glob('/etc/*')"):
            with pytest.raises(InputRefused):
                rows.all(sql)
        for sql in (f"COPY (SELECT 1) TO '{tmp_path}/out'", "DROP TABLE rows", "SET memory_limit = '1TB'"):
            with pytest.raises(LocalfinError):
                rows.all(sql)
    assert not (tmp_path / "out").exists()


def test_a_sheet_that_goes_on_after_an_empty_row_is_one_table(monkeypatch, tmp_path):
    def sheet(_path):
        yield Block("heading", "2024년 가계부")
        yield Block("table", "분류\t금액\n식비\t1,000\n교통\t2,000", sheet="지출", cells="B2:C4")
        yield Block("table", "식비\t3,000\n합계\t6,000", sheet="지출", cells="B6:C7")
        yield Block("table", "500", sheet="지출", cells="C9:C9")
        yield Block("table", "은행\t잔액\n한빛\t7", sheet="예금", cells="A1:B2")

    monkeypatch.setattr("localfin.documents.reading.read", lambda path: SimpleNamespace(blocks=sheet(path)))
    spent, saved = tables_of(tmp_path / "장부.xlsx")
    assert (spent.source, spent.name, spent.totals) == ("장부.xlsx, 지출, B2:C4", "지출", 1)
    assert asked("금액 합계는?", spent).values["result"] == 6500
    assert asked("한빛 잔액은?", saved).values["result"] == 7


def test_a_workbook_through_the_sealed_reader(tmp_path):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "카드"
    for row in (["2024년 카드 사용"], ["사용일", "분류", "금액(원)"]):
        sheet.append(row)
    for day_, kind, value in ((3, "식비", 8000), (9, "교통", 45000), (20, "식비", 12500)):
        sheet.append([datetime.date(2024, 2, day_), kind, value])
    sheet.append([])
    sheet.append(["합계", None, 65500])
    report = book.create_sheet("손익")
    for row in ([None, 2023, 2024], ["매출", 1000, 1200], ["영업이익", 80, -30]):
        report.append(row)
    path = tmp_path / "장부.xlsx"
    book.save(path)
    cards, income = tables_of(path)
    assert asked("2월 식비 합계는?", cards).values == {"result": 20500, "rows": 2, "totals left out": 1}
    assert cards.source.startswith("장부.xlsx, 카드, A1:")
    assert asked("2023년 대비 2024년 매출 증가율은?", income).values["result"] == 20
    assert asked("2024년 영업이익은?", income).values["result"] == -30


def test_tables_of_a_web_page(tmp_path):
    path = tmp_path / "금리.html"
    rows = "".join(f"<tr><td>{name}</td><td>{rate}%</td></tr>" for name, rate in (("예금", "3.5"), ("적금", "4.2")))
    path.write_text(
        f"<h1>금리</h1><p>안내</p><table><tr><th>상품</th><th>금리</th></tr>{rows}</table>", encoding="utf-8"
    )
    [table] = tables_of(path)
    assert str(asked("금리가 가장 높은 상품은?", table).values["result"]) == "적금"
    (tmp_path / "text.md").write_text("# 표가 없는 글\n\n본문", encoding="utf-8")
    with pytest.raises(InputRefused):
        tables_of(tmp_path / "text.md")
