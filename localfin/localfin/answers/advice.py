"""Which questions ask what to do with one's money: only their answers carry a disclaimer, one line."""

import re

_ADVICE = re.compile(
    r"추천|사야|팔아야|사도|팔아도|살까|팔까|투자해도|투자할까|투자해야|가입해도|가입할까|가입해야|갈아타|해지할까|해지해야"
    r"|빌려도|받아도|갚아야|갚을까|맡겨도|넣어도|넣을까|좋을까|나을까|유리할까|괜찮을까"
    r"|어느 (?:것이|쪽이|게) (?:좋|나|유리)"
    r"|\bshould i\b|\bshould we\b|\bought i\b|\brecommend|\badvi[sc]e\b|\bworth (?:it|buying|investing)"
    r"|\bbetter to\b|\bbest (?:fund|stock|loan|account|deposit|investment|product)|\bwould you (?:buy|sell|invest|take)"
    r"|\bis it (?:a good idea|wise|safe) to\b|\b(?:buy|sell) or (?:hold|sell|rent)\b",
    re.IGNORECASE,
)


def asks_advice(question: str) -> bool:
    """Whether a question asks for a decision rather than for what is so."""
    return _ADVICE.search(" ".join(question.split())) is not None
