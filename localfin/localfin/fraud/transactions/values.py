"""The smaller values of a transaction: what counts as missing, labels, closed categories, countries, identifiers."""

import re
import unicodedata

from localfin.text import clean_text

LONGEST = 200  # characters of an identifier or a category; more is a text, and no key
MISSING = frozenset({"", "-", "na", "n/a", "nan", "null", "none", "nil", "\\n", "없음", "nat", "<na>", "#n/a"})
_TRUE = frozenset(
    [
        "1",
        "1.0",
        "true",
        "t",
        "yes",
        "y",
        "o",
        "예",
        "fraud",
        "fraudulent",
        "사기",
        "이상",
        "부정",
        "이상거래",
    ]
)
_FALSE = frozenset(
    [
        "0",
        "0.0",
        "false",
        "f",
        "no",
        "n",
        "x",
        "아니오",
        "아니요",
        "legit",
        "legitimate",
        "genuine",
        "normal",
        "정상",
        "정상거래",
    ]
)
FOREIGN = "FOREIGN"  # abroad, country not said
_COUNTRIES = {
    FOREIGN: "해외 국외 외국 foreign overseas abroad international",
    "KR": "국내 한국 대한민국 korea southkorea republicofkorea kor domestic "
    "서울 부산 인천 대구 대전 광주 울산 seoul busan",
    "US": "미국 usa unitedstates unitedstatesofamerica us",
    "CN": "중국 china chn",
    "JP": "일본 japan jpn",
    "HK": "홍콩 hongkong hkg",
    "TW": "대만 타이완 taiwan twn",
    "GB": "영국 unitedkingdom uk gbr greatbritain england",
    "DE": "독일 germany deu",
    "FR": "프랑스 france fra",
    "VN": "베트남 vietnam vnm",
    "TH": "태국 thailand tha",
    "PH": "필리핀 philippines phl",
    "SG": "싱가포르 singapore sgp",
    "ID": "인도네시아 indonesia idn",
    "MY": "말레이시아 malaysia mys",
    "KH": "캄보디아 cambodia khm",
    "IN": "인도 india ind",
    "RU": "러시아 russia rus",
    "AU": "호주 australia aus",
    "CA": "캐나다 canada can",
    "ES": "스페인 spain esp",
    "IT": "이탈리아 italy ita",
    "NG": "나이지리아 nigeria nga",
    "AE": "아랍에미리트 uae unitedarabemirates are",
    "BR": "브라질 brazil bra",
    "MX": "멕시코 mexico mex",
    "TR": "튀르키예 터키 turkey turkiye tur",
    "MO": "마카오 macau mac",
    "PL": "폴란드 poland pol",
    "NL": "네덜란드 netherlands nld",
    "CH": "스위스 switzerland che",
    "MN": "몽골 mongolia mng",
}  # fmt: skip
_COUNTRY = {name: code for code, names in _COUNTRIES.items() for name in names.split()}


def missing(text: str | None) -> bool:
    """Whether a cell says that it has no value."""
    return text is None or text.strip().casefold() in MISSING


def label(text: str) -> bool | None:
    """Known fraud or known to be none; None where the cell is empty. Raises ValueError for anything else."""
    if missing(text):
        return None
    key = unicodedata.normalize("NFKC", text).strip().casefold()
    if key in _TRUE:
        return True
    if key in _FALSE:
        return False
    raise ValueError(text)


def key(text: str) -> str | None:
    """An identifier to compare for equality: one line, NFC, without control characters; None where nothing is left.

    Raises ValueError where it is longer than an identifier can be.
    """
    cleaned = " ".join(clean_text(text).split())
    if missing(cleaned):
        return None
    if len(cleaned) > LONGEST:
        raise ValueError("too long")
    return cleaned


def category(text: str) -> str | None:
    """A value of a closed category: a key in upper case. Raises ValueError as `key` does."""
    found = key(text)
    return found.upper() if found else None


def country(text: str) -> str | None:
    """ISO 3166 alpha-2 for the countries known by name, FOREIGN for 해외; any other name as a category."""
    found = category(text)
    if found is None:
        return None
    folded = re.sub(r"[\W_]", "", found.casefold())
    return _COUNTRY.get(folded, found)
