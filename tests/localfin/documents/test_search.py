"""The search: what a user types is words and nothing else, rare words decide, quotes are literal, synonyms help."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localfin.documents import Block, Documents, Index, Piece, index
from localfin.documents.chunks import LONGEST, LONGEST_TABLE, cut
from localfin.documents.ranking import QUOTE, parts
from localfin.documents.synonyms import Synonyms, load_synonyms
from localfin.documents.words import question_words
from localfin.store import Database
from localfin_models.errors import InputRefused

ENTRIES = {
    "예금 상품": "정기예금의 금리는 연 3.5%이다. 중도해지하면 이자가 줄어든다.",
    "대출": "신용대출의 이자율은 연 6%이다.\n주택담보대출은 LTV를 본다.",
    "NEAR": "The word near stands in this text, and NOT title: in another.",
    "Report": "Operating income\t12.4\t11.9\nNet income per share\t1.52\t1.43",
}


@pytest.fixture(scope="module")
def entries() -> Index:
    entries = Index(Database(None))
    for title, text in ENTRIES.items():
        entries.enter(title, [Piece(text)])
    return entries


def titles(entries: Index, query: str) -> list[str]:
    return [hit.passage.title for hit in entries.search(query)]


@pytest.mark.parametrize(
    "query",
    [
        '"', "'", "*", "예금*", "title:대출", "{title body}: x", "-title:x", "NEAR(정기 예금, 2)", "a AND b OR NOT c",
        "^정기", "(((", "금리\x00", "금리; DROP TABLE documents", '" OR "" NEAR', "+", "%s ?1 :a @b $c", "\ud800", "\\",
        "a" * 100_000, " ".join(f"금리{n}" for n in range(40_000)),
    ],
)  # fmt: skip
def test_a_query_is_words_whatever_is_typed(entries: Index, query: str) -> None:
    before = entries.database.rows("SELECT count(*) FROM passages")
    entries.search(query.encode(errors="replace").decode())
    assert entries.database.rows("SELECT count(*) FROM passages") == before


def test_operators_of_the_query_language_do_nothing(entries: Index) -> None:
    assert titles(entries, "title:이자율") == titles(entries, "title 이자율")
    assert titles(entries, "신용* NOT 대출") == titles(entries, "신용 not 대출")
    assert titles(entries, "NEAR(금리 이자)") == titles(entries, "near 금리 이자")
    assert "대출" in titles(entries, '"신용대출의 없는말"')


@given(st.text())
def test_any_query_gives_hits_whose_quotes_are_literal(query: str) -> None:
    with Database(None) as database:
        some = Index(database, lambda: Synonyms([]))
        some.enter("t", [Piece(f"{query}\n금리 {query}. interest 3.5%")])
        for hit in some.search(f"{query} 금리"):
            assert hit.quote
            assert hit.quote in hit.passage.text
            assert len(hit.quote) <= QUOTE
            assert 0 < hit.score <= 1.5


def test_the_quote_is_the_part_that_matches_best(entries: Index) -> None:
    assert entries.search("중도해지하면?")[0].quote == "중도해지하면 이자가 줄어든다."
    assert entries.search("net income per share")[0].quote == "Net income per share\t1.52\t1.43"


def test_a_name_finds_what_is_called_by_another(entries: Index) -> None:
    assert titles(entries, "신용대출 interest rate")[0] == "대출"
    assert titles(entries, "EPS")[0] == "Report"
    assert titles(entries, "담보인정비율") == ["대출"]


def test_a_name_within_another_word_is_none() -> None:
    synonyms = Synonyms([["출금", "withdrawal"], ["금리", "interest rate"]])
    assert synonyms.of([["대출", "출금", "금리"]]) == {("금리",): [("interest", "rate")]}


def test_users_add_synonyms_of_their_own(localfin_home: Path) -> None:
    localfin_home.mkdir()
    file = localfin_home / "synonyms.toml"
    file.write_text('groups = [["코픽스", "COFIX"], ["금리", "price of money"]]', "utf-8")
    loaded = load_synonyms()
    assert loaded.of([["코픽", "픽스"]]) == {("코픽", "픽스"): [("cofix",)]}
    assert ("interest", "rate") in next(iter(loaded.of(question_words("the price of money")).values()))
    for bad in ("groups = 3", 'groups = ["a"]', "groups = [[1]]", "[", "\udcff", "x = " + "[" * 5_000):
        file.write_bytes(bad.encode(errors="surrogateescape"))
        with pytest.raises(InputRefused, match=r"synonyms\.toml"):
            load_synonyms()


def test_frequent_words_are_not_asked_for_and_still_count(monkeypatch: pytest.MonkeyPatch) -> None:
    many = Index(Database(None), lambda: Synonyms([]))
    many.enter("", [Piece(f"은행 예금 {'금리 ' * (n % 7)} 번호{n}번") for n in range(300)])
    many.enter("", [Piece("은행 특별우대 조건 하나"), Piece("은행 특별우대 예금 금리")])
    for rarest_only in (1, 50):
        monkeypatch.setattr(index, "ASKED", rarest_only)
        assert many.search("은행 예금 금리 특별우대")[0].passage.text == "은행 특별우대 예금 금리"
    assert len(many.search("은행", 5)) == 5


@given(
    st.lists(
        st.builds(
            Block,
            st.sampled_from(["text", "heading", "table"]),
            st.text(st.sampled_from("가나 다.\n\tab1"), max_size=4000),
            page=st.sampled_from([None, 1, 2]),
        )
    )
)
def test_passages_are_bounded_and_lose_no_letter(blocks: list[Block]) -> None:
    pieces = list(cut(blocks))
    assert all(piece.text.strip() for piece in pieces)
    assert all(len(piece.text) <= LONGEST_TABLE + LONGEST for piece in pieces)

    def letters(text: str) -> str:
        return "".join(text.split())

    if not any(block.kind == "table" for block in blocks):
        assert letters("".join(piece.text for piece in pieces)) == letters("".join(block.text for block in blocks))
    else:
        found = letters("".join(piece.text for piece in pieces))
        assert set(found) == set(letters("".join(block.text for block in blocks)))


def test_a_table_stays_whole_with_the_line_before_it_or_repeats_its_header() -> None:
    table = "항목\t2019\t2018\n매출\t10\t9\n이익\t2\t1"
    (piece,) = cut([Block("heading", "실적"), Block("text", "(단위: 억원)"), Block("table", table)])
    assert piece == Piece(f"실적\n(단위: 억원)\n{table}", "실적")
    wide = table + "\n비고\t" + "x" * LONGEST
    pieces = list(cut([Block("text", "(단위: 억원)"), Block("table", wide), Block("text", "이상이다.")]))
    assert [piece.text for piece in pieces] == [f"(단위: 억원)\n{wide}", "이상이다."]
    rows = "\n".join(f"row {n}\t{'x' * 40}" for n in range(2, 102))
    pieces = list(cut([Block("table", f"name\tvalue\n{rows}", sheet="S", cells="B1:C101")]))
    assert all(piece.text.startswith("name\tvalue\n") and len(piece.text) <= LONGEST_TABLE for piece in pieces)
    assert pieces[0].cells == f"B2:C{1 + pieces[0].text.count(chr(10))}"
    assert (pieces[-1].cells or "").endswith(":C101")
    assert sum(piece.text.count("\n") for piece in pieces) == 100


def test_passages_keep_to_pages_and_know_their_headings() -> None:
    blocks = [
        Block("heading", "1 약관", page=1), Block("heading", "1.1 목적", page=1), Block("text", "가" * 400, page=1),
        Block("text", "나" * 10, page=2), Block("heading", "2 정의", page=2), Block("text", "다" * 10, page=2),
    ]  # fmt: skip
    found = [(piece.page, piece.heading, piece.text[-1]) for piece in cut(blocks)]
    assert found == [(1, "1 약관 > 1.1 목적", "가"), (2, "1 약관 > 1.1 목적", "나"), (2, "2 정의", "다")]


def test_a_page_of_nothing_but_headings_is_read_in_time_that_grows_with_it() -> None:
    pieces = list(cut(Block("heading", f"제목 {n}") for n in range(20_000)))
    assert max(len(piece.heading) for piece in pieces) < 200
    assert pieces[-1].heading.endswith("제목 19999")


def test_a_heading_is_no_quote_where_something_stands_below_it() -> None:
    blocks = [
        Block("heading", "직장인대출 약관"), Block("heading", "중도상환수수료"),
        Block("text", "상환한 금액의 0.7%입니다. 3년이 지나면 받지 않습니다."),
        Block("heading", "연체이자"), Block("text", "대출금리에 연 3%포인트를 더합니다."),
        Block("heading", "대출한도"), Block("heading", "직장인대출 한도"),
    ]  # fmt: skip
    index = Index(Database(None))
    index.enter("약관", cut(blocks))
    hits = [
        index.search(query)[0] for query in ("중도상환수수료", "연체이자", "중도상환수수료 3년이 지나면", "대출한도")
    ]
    quotes = [
        "상환한 금액의 0.7%입니다.",
        "대출금리에 연 3%포인트를 더합니다.",
        "3년이 지나면 받지 않습니다.",
        "대출한도\n직장인대출 한도",
    ]
    assert [hit.quote for hit in hits] == quotes
    assert hits[0].passage.heading == "직장인대출 약관 > 중도상환수수료"


def test_lines_that_only_name_what_follows_are_no_quote_alone() -> None:
    text = "대출 약관\n중도상환수수료\n갚은 금액의 0.7%를 받습니다.\n연체이자\n연체이자율은 연 15%입니다.\n담당: 김대리"
    index = Index(Database(None))
    index.enter("", [Piece(text)])
    asked = ("중도상환수수료", "연체이자", "담당", "대출 약관의 연체이자율")
    assert [index.search(query)[0].quote for query in asked] == [
        "중도상환수수료\n갚은 금액의 0.7%를 받습니다.",
        "연체이자율은 연 15%입니다.",
        "담당: 김대리",
        "연체이자율은 연 15%입니다.",
    ]
    index.enter("지점 실적", [Piece("지점\t실적\n강남\t120\n종로\t95")])
    quotes = [index.search(query)[0].quote for query in ("지점 실적", "종로 지점 실적")]
    assert quotes == ["지점\t실적\n강남\t120", "종로\t95"]


@given(st.text(st.sampled_from("가a .!?\n。")))
def test_parts_cover_all_but_space(text: str) -> None:
    assert "".join("".join(text[start:stop].split()) for start, stop in parts(text)) == "".join(text.split())


def test_a_search_in_nothing_finds_nothing(tmp_path: Path) -> None:
    with Database(tmp_path / "localfin.db") as database:
        assert Documents(database).search("금리") == []
