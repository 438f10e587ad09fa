"""Whether llama.cpp splits texts into the tokens that the model was trained on, but for what it is known not to do."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from localfin_convert.verify.llama import Chat, Llama
from localfin_convert.verify.source_tokenizer import SourceTokenizer
from localfin_models.errors import IntegrityFailed
from localfin_models.language import _

TEXTS = (
    "예금 1,000만원의 이자는 얼마입니까?",
    "그는 “괜찮다”라고 말했다. 뷁쀍 갂갃",
    "The bank doesn't pay 3.5% interest on deposits; I'll ask.",
    "2025-11-25 1234567890 0.001 -7 ₩1,200,000 $9.99",
    "😀👨‍👩‍👧 🇰🇷 € 漢字 Straße naïve",
    "a  b   c\t\td\n\n\ne \n f    ",
    " leading space",
    "   여러   칸\n\n  들여쓰기",
    "def f(x):\n    return {'k': x**2}  # code",
)
_MOST_ADDED, _MOST_EMBEDDED = 512, 48
_SPACE = "▁"


@dataclass(frozen=True, slots=True)
class Limitation:
    """Where llama.cpp is known to do otherwise than the source's tokenizer: the output is what llama.cpp can do."""

    what: str
    texts: int
    """How many of those compared were split otherwise for this reason."""
    example: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """What was found equal."""

    library: str
    texts: int
    added: int
    """Added and special tokens, each spelled alone."""
    limitations: tuple[Limitation, ...]


def compare_tokens(
    llama: Llama, source: SourceTokenizer, prompts: Iterable[str], *, vocab_size: int, has_scores: bool
) -> Tokens:
    """Raises IntegrityFailed for a difference that no known limitation explains.

    `prompts`: texts of this model in particular. `has_scores`: whether the file has the order of the source's merges.
    """
    added = [token for token, token_id in source.added.items() if token and token_id < vocab_size][:_MOST_ADDED]
    embedded = [f"가나{token}다 {token} a{token}" for token in added[:_MOST_EMBEDDED]]
    texts = [*TEXTS, *embedded, *(prompt for prompt in prompts if prompt)]
    found = llama.tokenize([*texts, *added], special=False)
    judge = _Judge(llama, source, has_scores)
    for text, tokens in zip(texts, found, strict=False):
        judge.text(text, tokens)
    for token, tokens in zip(added, found[len(texts) :], strict=True):
        judge.added(token, tokens)
    judge.decoded(TEXTS, found)
    judge.around()
    return Tokens(source.library, len(texts), len(added), tuple(judge.limitations.values()))


def compare_ends(chat: Chat, source: SourceTokenizer, ids: dict[str, set[int]]) -> None:
    """Whether the tokens that begin and end a text are those of the source; `ids`: what its configurations name.

    Raises IntegrityFailed.
    """
    for kind, found, spelled in (("bos", chat.bos_id, chat.bos), ("eos", chat.eos_id, chat.eos)):
        token = source.id_of(source.named(kind) or "")
        known = ids[kind] | ({token} if token is not None else set())
        if known and found not in known:
            raise IntegrityFailed(
                _("the file's {kind} token is {spelled!r} ({id}); the source names {known}").format(
                    kind=kind, spelled=spelled, id=found, known=sorted(known)
                )
            )


class _Judge:
    def __init__(self, llama: Llama, source: SourceTokenizer, has_scores: bool) -> None:
        self._llama, self._source, self._has_scores = llama, source, has_scores
        self.limitations: dict[str, Limitation] = {}

    def text(self, text: str, tokens: list[int]) -> None:
        expected = self._source.encode(text)
        if tokens == expected:
            return
        what = self._known(text, tokens, expected)
        if what is None:
            raise self._failure(text, tokens, expected)
        before = self.limitations.get(what)
        self.limitations[what] = Limitation(
            what, 1 + (before.texts if before else 0), before.example if before else text
        )

    def added(self, token: str, tokens: list[int]) -> None:
        expected = self._source.encode(token)
        if tokens != expected and self._known_word(token) is None:
            raise self._failure(token, tokens, expected)

    def decoded(self, texts: Sequence[str], found: Sequence[list[int]]) -> None:
        """Where both split a text alike, both must put it together alike; llama.cpp may keep the space in front."""
        for text, tokens, back in zip(texts, found, self._llama.texts(found[: len(texts)]), strict=False):
            expected = self._source.decode(tokens)
            if tokens == self._source.encode(text) and back.removeprefix(" ") != expected.removeprefix(" "):
                raise IntegrityFailed(
                    _("llama.cpp makes {back!r} of the tokens that the source's tokenizer makes {expected!r}").format(
                        back=back, expected=expected
                    )
                )

    def around(self) -> None:
        around = self._source.around()
        if around is None:
            return
        text = "a"
        plain, whole = (self._llama.tokenize([text], special=special)[0] for special in (False, True))
        expected = [*around[0], *plain, *around[1]]
        if whole != expected:
            raise IntegrityFailed(
                _("llama.cpp begins and ends a text otherwise than the source: {found} instead of {expected}").format(
                    found=whole, expected=expected
                )
            )

    def _known(self, text: str, tokens: list[int], expected: list[int]) -> str | None:
        if not self._has_scores:
            return _("tokenizer.json holds merges, of which llama.cpp knows nothing in this kind of vocabulary; "
                     "put the model's tokenizer.model beside it and convert again")  # fmt: skip
        if tokens == self._source.apart(text):
            return _("llama.cpp takes what follows an added token for a new text, with a space in front")
        word = self._known_word(text)
        if word is not None:
            return word
        rewritten = self._source.rewritten(text)
        if rewritten != text and self._llama.tokenize([rewritten], special=False)[0] == expected:
            return _("the source's tokenizer rewrites texts first (spaces, forms of letters), llama.cpp does not")
        return None

    def _known_word(self, text: str) -> str | None:
        words = [token for token in self._source.added if _SPACE in token]
        if any(word in text or word.replace(_SPACE, " ") in text for word in words):
            return _("llama.cpp reads ▁ in an added token as a space")
        return None

    def _failure(self, text: str, tokens: list[int], expected: list[int]) -> IntegrityFailed:
        same = next((at for at, pair in enumerate(zip(tokens, expected, strict=False)) if pair[0] != pair[1]), 0)
        return IntegrityFailed(
            _("llama.cpp splits {text!r} otherwise than the source's tokenizer ({library}): from token {at} on "
              "{found} instead of {expected}").format(
                text=text[:80], library=self._source.library, at=same, found=tokens[same : same + 5],
                expected=expected[same : same + 5],
            )
        )  # fmt: skip
