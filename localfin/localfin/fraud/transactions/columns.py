"""Which column is what: by its name, in Korean or English, checked against its content; by content where no name tells.

A name proposes, the values decide: a column called `time` that holds no times is not the time.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from localfin import amounts
from localfin.fraud.transactions import moments
from localfin.fraud.transactions.values import label, missing
from localfin_models.errors import InputRefused
from localfin_models.language import _

# For each role the names it goes by, best first: a file with several keeps the first that is there.
NAMES: Mapping[str, str] = {
    "id": """transactionid txid txnid transid transnum transactionno transactionnumber transactionref tranid
        trxid 거래번호 거래id 거래고유번호 거래식별번호 승인번호 referenceno reference refno uuid 일련번호 순번
        id""",
    "time": """txdatetime transactiondatetime transdatetranstime datetime transactiontimestamp timestamp
        eventtime 거래일시 승인일시 이용일시 결제일시 사용일시 이체일시 거래일시분초 일시 createdat occurredat
        transactiontime txtime transactiondate txdate transdate 거래일자시간 날짜시간 unixtime epoch time date
        거래시간 시간 시각 거래일자 거래일 날짜 발생시각""",
    "date": """txdate transactiondate transdate trandate 거래일자 거래일 승인일자 승인일 이용일자 이용일
        결제일자 결제일 사용일자 사용일 이체일자 날짜 일자 date postingdate""",
    "clock": """txtime transactiontime transtime trantime 거래시간 거래시각 승인시간 승인시각 이용시간 이용시각
        결제시간 사용시간 이체시간 이체시각 시간 시각 time""",
    "customer": """customerid customer clientid custid userid memberid 고객번호 고객id 고객식별번호 회원번호
        고객 ccnum cardnumber cardno cardid card 카드번호 이용카드 이용카드번호 nameorig fromaccount
        senderaccount originaccount sender payer 출금계좌번호 출금계좌 보내는계좌 의뢰인계좌 본인계좌 내계좌
        accountnumber accountno acctnum accountid account 계좌번호 계좌 보내는분 송금인 의뢰인 user client""",
    "counterparty": """terminalid terminal counterpartyaccount counterpartyid counterparty namedest toaccount
        destaccount destinationaccount beneficiaryaccount receiveraccount beneficiary payee recipient receiver
        상대계좌번호 상대계좌 입금계좌번호 입금계좌 수취계좌번호 수취계좌 받는계좌 상대방계좌 상대방 상대 수취인
        수취인명 받는분 받는사람 merchantid merchantno merchant merchantname 가맹점번호 가맹점id 단말기번호
        가맹점 가맹점명 이용가맹점 이용가맹점명 이용하신곳 이용처 사용처 거래처 거래처명 상호 상호명 store shop""",
    "amount": """txamount transactionamount amount amt transamount txnamount paymentamount 거래금액 이용금액
        승인금액 결제금액 사용금액 이체금액 송금액 송금금액 금액 amountkrw value price total 합계""",
    "debit": """출금액 출금금액 출금 찾으신금액 지급금액 debit debitamount withdrawal withdrawals paidout
        moneyout""",
    "credit": """입금액 입금금액 입금 맡기신금액 credit creditamount deposit deposits paidin moneyin""",
    "currency": """currency currencycode ccy cur 통화 통화코드 통화구분 화폐 거래통화""",
    "channel": """channel 채널 거래채널 거래매체 매체 매체구분 entrymode usechip transactiontype txtype type
        거래구분 거래유형 거래종류 paymentmethod 결제수단 이용구분""",
    "category": """category merchantcategory mcc merchantcategorycode 업종 업종명 업종코드 가맹점업종 카테고리
        분류""",
    "country": """country countrycode merchantcountry transactioncountry 국가 국가코드 이용국가 승인국가
        거래국가 나라 국내외구분 국내해외구분 해외여부 위치 location""",
    "latitude": """merchlat merchantlatitude merchantlat txlatitude latitude lat 위도""",
    "longitude": """merchlong merchantlongitude merchlon merchantlong txlongitude longitude long lon lng 경도""",
    "label": """txfraud isfraud fraud fraudflag fraudlabel 사기여부 이상거래여부 이상거래 부정사용여부
        부정거래여부 부정여부 사기 label class target""",
    "memo": """memo 적요 메모 비고 거래내용 내용 기재내용 통장표시내용 description note notes remarks remark
        narrative details""",
}  # fmt: skip
ROLES = tuple(NAMES)
SAMPLE = 1000  # rows that are looked at
_KNOWN = {role: {name: at for at, name in enumerate(names.split())} for role, names in NAMES.items()}
_BRACKETS = re.compile(r"[(\[<{]([^)\]>}]*)[)\]>}]")
_ACCOUNT = re.compile(r"(?=(?:\D*\d){4})[\d*xX]{2,8}(?:-[\d*xX]{2,8}){1,4}|[\d*]{10,19}")


@dataclass(frozen=True)
class Columns:
    """The columns of one file. `roles` maps a role to the column's name as the file spells it."""

    roles: Mapping[str, str]
    scale: Decimal = Decimal(1)  # what the amount's header says: 1000 for 금액(천원)
    currency: str | None = None  # the same of its currency


def parse_columns(text: str) -> dict[str, str]:
    """`id=거래번호,time=거래일시` as a mapping. Raises ValueError with the reason for a role there is not."""
    found: dict[str, str] = {}
    for part in re.split(rf",\s*(?=(?:{'|'.join(ROLES)})\s*=)", text.strip()):
        role, equals, name = part.partition("=")
        role, name = role.strip(), name.strip()
        if not equals or role not in ROLES:
            raise ValueError(
                _("{part!r} is not ROLE=COLUMN; the roles are {roles}").format(part=part, roles=", ".join(ROLES))
            )
        if role in found:
            raise ValueError(_("{role} is given twice").format(role=role))
        found[role] = name
    return found


def folded(name: str) -> str:
    """A header to compare: without case, spaces, punctuation and what stands in brackets."""
    name = unicodedata.normalize("NFKC", name).casefold()
    return re.sub(r"[\W_]", "", _BRACKETS.sub("", name) or name)


def roles_of(name: str) -> dict[str, int]:
    """The roles a header proposes, each with its rank there (0 is best)."""
    key = folded(name)
    return {role: known[key] for role, known in _KNOWN.items() if key in known}


def recognise(
    names: Sequence[str], sample: Sequence[Sequence[str | None]], given: Mapping[str, str] | None = None
) -> Columns:
    """The columns among `names`, with `sample` rows of them; `given` settles a role, or empties it with "".

    Raises InputRefused where a column named is not there, or no column holds a time or an amount.
    """
    given = dict(given or {})
    for role, name in given.items():
        if role not in ROLES:
            raise ValueError(_("{role} is no role; the roles are {roles}").format(role=role, roles=", ".join(ROLES)))
        if name and name not in names and not _pair(name, names):
            raise InputRefused(
                _("there is no column {name!r} for {role}; the columns are {columns}").format(
                    name=name, role=role, columns=_listed(names)
                )
            )
    if pair := _pair(given.get("time", ""), names):
        given |= {"time": "", "date": pair[0], "clock": pair[1]}
    values = {name: [row[at] for row in sample if at < len(row)] for at, name in enumerate(names)}
    roles = _by_name(names, values, given)
    _by_content(names, values, roles, given)
    _settle(roles, given)
    for role, missing_text in (("time", _("no column holds times")), ("amount", _("no column holds amounts"))):
        others = {"time": ("date",), "amount": ("debit", "credit")}[role]
        if role not in roles and not any(other in roles for other in others):
            raise InputRefused(
                _("{reason}; name it with --columns {role}=NAME; the columns are {columns}").format(
                    reason=missing_text, role=role, columns=_listed(names)
                )
            )
    scale, currency = _unit_of(roles)
    return Columns(roles, scale, currency)


def _pair(name: str, names: Sequence[str]) -> tuple[str, str] | None:
    """`거래일자+거래시간`: two columns that make a time together."""
    first, plus, second = name.partition("+")
    if name in names or not plus or first.strip() not in names or second.strip() not in names:
        return None
    return first.strip(), second.strip()


def _listed(names: Sequence[str]) -> str:
    shown = [re.sub(r"[^ -~가-힣]", "?", name)[:40] for name in names[:40]]
    return ", ".join(shown) + (" …" if len(names) > 40 else "")


def _by_name(
    names: Sequence[str], values: Mapping[str, Sequence[str | None]], given: Mapping[str, str]
) -> dict[str, str]:
    proposals: dict[str, list[tuple[int, int, str]]] = {}
    for at, name in enumerate(names):
        for role, rank in roles_of(name).items():
            if name in given.values() and given.get(role) != name:
                continue
            proposals.setdefault(role, []).append((rank, at, name))
    roles = {role: name for role, name in given.items() if name}
    for role in ROLES:
        if role in given:
            continue
        ranked = [name for _rank, _at, name in sorted(proposals.get(role, []))]
        fitting = [name for name in ranked if _fits(role, values[name])]
        if not fitting and role in ("time", "amount"):  # a column full of errors is still the one
            fitting = [name for name in ranked if any(_reads(_READERS[role], value) for value in values[name])]
        if fitting:
            roles[role] = fitting[0]
    return roles


def _fits(role: str, values: Sequence[str | None]) -> bool:
    """Whether half the values that are there read as the role's kind; without values the name is believed."""
    reads = _READERS.get(role)
    present = [value for value in values if not missing(value)][:200]
    return reads is None or not present or 2 * sum(_reads(reads, value) for value in present) >= len(present)


def _reads(reader: Callable[[str], object], value: str | None) -> bool:
    try:
        return value is not None and reader(value) is not None
    except (ValueError, OverflowError):
        return False


def _a_moment(text: str) -> object:
    return moments.possible_orders(text) or moments.moment(text)


def _a_date(text: str) -> object:
    """A day alone; midnight beside it is how spreadsheets write one."""
    return None if ":" in text.replace("00:00", "") else _a_moment(text)


def _a_degree(limit: int) -> Callable[[str], object]:
    return lambda text: abs(float(text)) <= limit or None


_READERS: Mapping[str, Callable[[str], object]] = {
    "time": _a_moment, "date": _a_date, "clock": moments.clock,
    "amount": amounts.amount, "debit": amounts.amount, "credit": amounts.amount,
    "latitude": _a_degree(90), "longitude": _a_degree(180), "label": label,
}  # fmt: skip


def _by_content(
    names: Sequence[str],
    values: Mapping[str, Sequence[str | None]],
    roles: dict[str, str],
    given: Mapping[str, str],
) -> None:
    """Times, amounts and accounts are told by how they look; identity and labels are never guessed."""
    free = [name for name in names if name not in roles.values()]
    present = {name: [value for value in values[name] if value is not None and not missing(value)] for name in free}
    if "time" not in roles and "date" not in roles and "time" not in given:
        for name in free:
            texts = present[name]
            if texts and not _all_numbers(texts) and _share(_a_moment, texts) >= 0.9:
                roles["time"] = name
                break
    if not {"amount", "debit", "credit"} & set(roles) and "amount" not in given:
        likely = [name for name in free if name not in roles.values() and _amount_like(present[name])]
        if likely:
            roles["amount"] = max(likely, key=lambda name: _amount_like(present[name]))
    if "customer" not in roles and "customer" not in given:
        for name in free:
            texts = present[name]
            if texts and name not in roles.values() and _share(_ACCOUNT.fullmatch, texts) >= 0.9:
                roles["customer"] = name
                break


def _share(reader: Callable[[str], object], texts: Sequence[str]) -> float:
    sample = texts[:200]
    return sum(_reads(reader, text) for text in sample) / len(sample)


def _all_numbers(texts: Sequence[str]) -> bool:
    return all(re.fullmatch(r"[\d.]+", text) for text in texts) and not all(
        re.fullmatch(r"(?:19|20)\d{6,12}", t) for t in texts
    )


def _amount_like(texts: Sequence[str]) -> float:
    """How much a column looks like money: 0 for not at all; marks and decimals count, running numbers don't."""
    if not texts or _share(amounts.amount, texts) < 0.9 or all(_ACCOUNT.fullmatch(text) for text in texts):
        return 0.0
    marked = sum(bool(re.search(r"[₩$€£¥원만억,]|\.\d\d?$", text)) for text in texts) / len(texts)
    numbers = [amounts.amount(text).value for text in texts if _reads(amounts.amount, text)]
    steps = {later - earlier for earlier, later in pairwise(numbers)}
    if marked < 0.5 and (len(set(numbers)) < 3 or steps <= {Decimal(0), Decimal(1)}):
        return 0.0
    return 0.5 + marked


def _settle(roles: dict[str, str], given: Mapping[str, str]) -> None:
    """One reading of the time, one of the amount, a place whole or not at all, and no column that is two things."""
    if "date" in roles and "clock" in roles and roles["date"] != roles["clock"] and not given.get("time"):
        # The date and clock as written tell the hour where it happened; an epoch beside them doesn't.
        if roles.get("time") in (roles["date"], roles["clock"], None) or _is_epoch_name(roles["time"]):
            roles.pop("time", None)
    elif "time" not in roles and "date" in roles:
        roles["time"] = roles["date"]
    if "time" in roles or "date" not in roles:
        _drop(roles, "date", "clock")
    if ("latitude" in roles) != ("longitude" in roles):
        _drop(roles, "latitude", "longitude")
    if "amount" in roles:
        _drop(roles, "debit", "credit")
    taken = set(given.values())
    for role in sorted(roles, key=lambda role: (role not in _FIRST, ROLES.index(role))):
        if role in given:
            continue
        if roles[role] in taken:
            del roles[role]
        else:
            taken.add(roles[role])


_FIRST = frozenset({"time", "date", "clock", "amount", "debit", "credit", "customer", "counterparty"})


def _drop(roles: dict[str, str], *names: str) -> None:
    for name in names:
        roles.pop(name, None)


def _is_epoch_name(name: str) -> bool:
    return folded(name) in ("unixtime", "epoch", "timestamp")


def _unit_of(roles: Mapping[str, str]) -> tuple[Decimal, str | None]:
    name = roles.get("amount") or roles.get("debit") or roles.get("credit") or ""
    for inside in _BRACKETS.findall(unicodedata.normalize("NFKC", name)):
        try:
            return amounts.unit(inside)
        except ValueError:
            continue
    return Decimal(1), None
