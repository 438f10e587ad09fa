"""Conversations as the tokens a model reads. Runs in the sealed child."""

from localfin.engine.events import Message
from localfin.engine.llama import Llama
from localfin.engine.shifting import common_beginning
from localfin.engine.template import render, stop_texts
from localfin_models.errors import InputRefused
from localfin_models.language import _
from localfin_models.worker.child import Emit

_BEGIN, _END = "\ufdd0", "\ufdd1"  # noncharacters: no text may hold them


def rendered(llama: Llama, messages: list[Message], emit: Emit) -> str:
    """The parent watches the time between the two events: a template is a program, and may never end."""
    emit({"rendering": len(messages)})
    prompt = render(llama.chat_template, messages, llama.token_text("bos"), llama.token_text("eos"))
    emit({"rendered": len(prompt)})
    return prompt


def unmarked(text: str) -> str:
    return text.replace(_BEGIN, "").replace(_END, "")


class PromptTokens:
    """A conversation as the model reads it.

    Text from outside never becomes a control token: where a message spells one, the messages are tokenized apart from
    the template around them.
    """

    def __init__(self, llama: Llama, messages: list[Message], emit: Emit, stable: int = 0) -> None:
        """The first `stable` messages are those that stay: `beginning` counts their tokens.

        Raises ContextFull before it tokenizes what cannot fit; tells `rendering` and `rendered` by `emit`.
        """
        self._read(llama, messages, emit)
        self.beginning = 0
        if 0 < stable < len(messages):
            # What does not change with the next message, the way the template writes it.
            other = PromptTokens(llama, [*messages[:stable], Message(messages[stable].role, _END)], emit)
            self.beginning = common_beginning(self.tokens[:-1], other.tokens)

    def _read(self, llama: Llama, messages: list[Message], emit: Emit) -> None:
        bos = llama.token_text("bos")
        prompt = rendered(llama, messages, emit)
        llama.refuse_if_too_long(prompt)
        apart = any(self._spells_control(llama, m.content) for m in messages)
        if apart:
            messages = [Message(m.role, self._marked(m.content)) for m in messages]
            prompt = rendered(llama, messages, emit)
        self.stops = stop_texts(prompt)
        self.tokens: list[int] = []
        # A template that writes the first token itself must not get a second one.
        add_bos = not (bos and prompt.startswith(bos))
        if not apart:
            self.tokens = llama.tokenize(prompt, add_bos=add_bos)
            return
        for index, part in enumerate(prompt.replace(_END, _BEGIN).split(_BEGIN)):
            self.tokens += llama.tokenize(part, add_bos=add_bos and index == 0, special=index % 2 == 0)

    def _marked(self, text: str) -> str:
        return _BEGIN + unmarked(text).strip() + _END

    @staticmethod
    def _spells_control(llama: Llama, text: str) -> bool:
        return llama.tokenize(text, add_bos=False, special=True) != llama.tokenize(text, add_bos=False, special=False)


class OpenPrompt:
    """A conversation whose last message goes on with a text that is not known yet."""

    def __init__(self, llama: Llama, messages: list[Message], emit: Emit) -> None:
        """Raises InputRefused where the template does not write the last message once, and ContextFull."""
        *before, last = [Message(m.role, unmarked(m.content)) for m in messages]
        prompt = rendered(llama, [*before, Message(last.role, last.content + _BEGIN + _END)], emit)
        llama.refuse_if_too_long(prompt)
        head, *rest = prompt.split(_BEGIN + _END)
        if len(rest) != 1:
            raise InputRefused(_("the model's chat template does not write a question as it is"))
        self.stops = stop_texts(prompt)
        bos = llama.token_text("bos")
        self.head = llama.tokenize(head, add_bos=not (bos and prompt.startswith(bos)))
        self._llama, self._tail = llama, llama.tokenize(rest[0], add_bos=False)

    def rest(self, text: str) -> list[int]:
        """What follows `head` where the text is this one, up to where the answer starts."""
        return self._llama.tokenize(unmarked(text), add_bos=False, special=False) + self._tail
