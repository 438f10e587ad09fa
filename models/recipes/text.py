"""Korean particles and money as people write it. Strings only: no arithmetic that rounds."""

import re

_PARTICLE = re.compile(r"(.)((?:\))?)\((은/는|이/가|을/를|과/와|이라/라|으로/로|이/)\)")
_FINAL_LETTERS = frozenset("LMNRlmnr")
_FINAL_DIGITS = frozenset("013678")
EOK, MAN = 10**8, 10**4


def has_final(char: str) -> bool:
    """Whether the Korean reading of `char` ends in a consonant: Hangul by its code, digits and letters by name."""
    if "가" <= char <= "힣":
        return (ord(char) - 0xAC00) % 28 != 0
    return char in _FINAL_LETTERS or char in _FINAL_DIGITS


def particles(text: str) -> str:
    """`DSR(은/는)` becomes `DSR은`: every particle pair in brackets is settled by the character before it."""

    def choose(match: re.Match[str]) -> str:
        before, bracket, pair = match.groups()
        with_final, without = pair.split("/")
        # 로 follows ㄹ too: 서울로, 1로.
        rieul = "가" <= before <= "힣" and (ord(before) - 0xAC00) % 28 == 8
        final = has_final(before) and not (pair == "으로/로" and rieul)
        return before + bracket + (with_final if final else without)

    return _PARTICLE.sub(choose, text)


def fill(template: str, values: dict[str, str]) -> str:
    """`template` with its `{names}` filled in and its particles settled."""
    return particles(template.format_map(values))


def won_ko(amount: int, style: int) -> str:
    """`amount` in won: 0 `1억 5,000만원`, 1 `1억5000만원`, 2 `150,000,000원`. Below 1만, always the third."""
    if style == 2 or amount % MAN or amount < MAN:
        return f"{amount:,}원"
    eok, man = amount // EOK, amount % EOK // MAN
    comma, gap = (",", " ") if style == 0 else ("", "")
    parts = ([f"{eok}억"] if eok else []) + ([f"{man:{comma}}만"] if man else [])
    return gap.join(parts) + "원"


def won_en(amount: int, style: int) -> str:
    """`amount` in won: 0 `150,000,000 won`, 1 `KRW 150,000,000`, 2 `150 million won` where that is exact."""
    if style == 2 and amount >= 10**6 and amount % 10**5 == 0:
        millions = f"{amount // 10**6}.{amount % 10**6 // 10**5}".removesuffix(".0")
        return f"{millions} million won"
    return f"KRW {amount:,}" if style == 1 else f"{amount:,} won"


def won(amount: int, language: str, style: int) -> str:
    return won_ko(amount, style) if language == "ko" else won_en(amount, style)
