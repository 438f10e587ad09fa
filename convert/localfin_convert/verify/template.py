"""Chat templates: what they make of a few conversations, before anything is written and from the finished file."""

from collections.abc import Iterable, Mapping

from localfin_convert.keys import Key
from localfin_convert.verify.llama import Chat
from localfin_convert.verify.source_tokenizer import SourceTokenizer
from localfin_convert.vocabulary.templates import CHAT_TEMPLATE
from localfin_models.chat_template import Conversation
from localfin_models.errors import InputRefused, IntegrityFailed
from localfin_models.language import _
from localfin_models.sealed_template import Refusal, Renderer, Rendering, TemplateExhausts, open_renderer

_SYSTEM = {"role": "system", "content": "짧게 답하세요. Be brief."}
_QUESTION = {"role": "user", "content": "예금 1,000만원의 이자는?\n\n  At 3.5% a year."}
_ANSWER = {"role": "assistant", "content": "세전 35만원입니다. 😀"}
_NEXT = {"role": "user", "content": "And for 2 years?"}
CONVERSATIONS: tuple[tuple[Conversation, bool], ...] = (
    ((_QUESTION,), True),
    ((_SYSTEM, _QUESTION), True),
    ((_QUESTION, _ANSWER, _NEXT), True),
    ((_SYSTEM, _QUESTION, _ANSWER, _NEXT, _ANSWER), False),
)
"""Messages, and whether the prompt shall end where an answer begins. The first one every template must take."""


def check_templates(keys: Iterable[Key]) -> None:
    """Raises InputRefused for a template that exhausts its bounds, or for a default one that takes no question."""
    values = {key.name: key.value for key in keys}
    templates = {name: str(text) for name, text in values.items() if _is_template(name) and str(text).strip()}
    if not templates:
        return
    bos, eos = _spelling(values, "bos"), _spelling(values, "eos")
    with open_renderer() as renderer:
        for name, template in templates.items():
            try:
                first, *_others = render_conversations(renderer, template, bos, eos)
            except TemplateExhausts as exhausts:
                raise InputRefused(_other(exhausts)) from None
            if isinstance(first, Refusal) and name == CHAT_TEMPLATE:
                raise InputRefused(_other(first.why))


def compare_template(chat: Chat, source: SourceTokenizer, chosen: str | None) -> list[str]:
    """The prompts that the stored template makes of CONVERSATIONS, which are those of the source; none without one.

    `chosen`: the template that was asked for instead of the source's. Raises IntegrityFailed.
    """
    wanted = source.template() if chosen is None else chosen
    if not wanted.strip() and not chat.template.strip():
        return []
    if not chat.template.strip():
        raise IntegrityFailed(_("the source has a chat template, the file none; give it with --prompt-format FILE"))
    bos, eos = (
        spelled if named is None else named
        for spelled, named in ((chat.bos, source.named("bos")), (chat.eos, source.named("eos")))
    )
    with open_renderer() as renderer:
        stored = render_conversations(renderer, chat.template, chat.bos, chat.eos)
        expected = render_conversations(renderer, wanted, bos, eos)
    for ours, theirs in zip(stored, expected, strict=True):
        if ours != theirs:
            raise IntegrityFailed(
                _("the stored chat template makes {ours}, the source's {theirs}").format(
                    ours=_shown(ours), theirs=_shown(theirs)
                )
            )
    return [prompt for prompt in stored if isinstance(prompt, str)]


def render_conversations(renderer: Renderer, template: str, bos: str, eos: str) -> list[str | Refusal]:
    """Of each of CONVERSATIONS. Raises TemplateExhausts."""
    return [renderer.render(Rendering(template, messages, bos, eos, prompt)) for messages, prompt in CONVERSATIONS]


def _shown(made: str | Refusal) -> str:
    return repr(made[:200]) if isinstance(made, str) else made.why


def _is_template(name: str) -> bool:
    return name == CHAT_TEMPLATE or name.startswith(f"{CHAT_TEMPLATE}.")


def _spelling(values: Mapping[str, object], kind: str) -> str:
    tokens, token_id = values.get("tokenizer.ggml.tokens"), values.get(f"tokenizer.ggml.{kind}_token_id")
    if not isinstance(tokens, list) or not isinstance(token_id, int) or token_id >= len(tokens):
        return ""
    token = tokens[token_id]
    return token if isinstance(token, str) else bytes(token).decode("utf-8", "replace")


def _other(why: object) -> str:
    return _("{why}; choose another template with --prompt-format (such as `seed`)").format(why=why)
