"""What is said to a greeting, and to who asks for what a bank alone knows: neither has an answer in a handbook.

Words alone decide, for whole questions only; anything beside them makes it a question like any other.
"""

import re

from localfin.answers.prompt import Language
from localfin_models.language import translated

_WORD = (
    r"(?:hi|hello|hey|thanks?|thank you|help|good (?:morning|evening|afternoon)|there|everyone|안녕\w*"
    r"|반가\w*|반갑\w*|고마워\w*|감사\w*|하이|헬로|테스트|test|도움말|도와\w*"
    r"|(?:who|what) are you|what can (?:you do|i ask)(?: you)?"
    r"|(?:넌|너는|당신은)? ?(?:누구\w{0,3}|(?:뭘|뭐|무엇을) ?(?:할|물어볼) ?수 ?있\w{1,3}))"
)
_GREETING = re.compile(rf"\W*{_WORD}(?:\W+{_WORD})*\W*", re.IGNORECASE)
_SECRET = r"(?:계좌 ?번호|카드 ?번호|비밀 ?번호|비번|잔액|잔고|거래 ?내역)"
_SECRET_EN = (
    r"(?:(?:bank |account |card )?(?:account number|balance|password|pin|card number|recent transactions)"
    r"|transactions|passcode)"
)
_OWN = re.compile(
    rf"(?:(?:내|제|나의|저의) )?(?:\w{{1,6}} )?{_SECRET}(?:를|을|은|는|이|가)?"
    r" ?(?:좀 )?(?:알려|보여|말해) ?(?:줘|주세요|줄래)요?\W*"
    rf"|(?:내|제|나의|저의) (?:\w{{1,6}} )?{_SECRET}(?:를|을|은|는|이|가)? ?(?:뭐|뭔|얼마|몇|무엇|어떻게 되)\w*\W*"
    rf"|(?:please )?(?:(?:what(?:'s| is| are)|(?:tell|show|give) me) my {_SECRET_EN}"
    r"|how much (?:money )?(?:is|do i have) (?:left )?in my (?:bank )?account)\W*",
    re.IGNORECASE,
)


def is_greeting(question: str) -> bool:
    """Whether it asks nothing; what it says may be part of an entry's name."""
    return _GREETING.fullmatch(question) is not None


def reply(question: str, language: Language) -> str | None:
    """What to say where no passage is to be looked for; None for any other question."""
    if is_greeting(question):
        return translated(
            "Hello! Ask about money and banking, about documents that you added with localfin docs add, or for a"
            " calculation; for example: What is DSR?",
            language,
        )
    if _OWN.fullmatch(" ".join(question.split())):
        return translated(
            "localfin knows neither your accounts nor your passwords. Your bank's app, your passbook or a branch shows"
            " them; nobody honest asks you for a password.",
            language,
        )
    return None
