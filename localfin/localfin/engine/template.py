"""Messages to the one text a model is prompted with. Chat templates are programs: only the sealed child runs them."""

from collections.abc import Sequence

from localfin.engine.events import Message
from localfin_models.chat_template import render_chat
from localfin_models.errors import InputRefused

INSTRUCTION, INPUT, RESPONSE = "### 지시사항:", "### 입력:", "### 응답:"
"""The headings of the instruction format that adapters here are trained on; used where a model carries no template."""


def render(template: str | None, messages: Sequence[Message], bos: str, eos: str) -> str:
    """The prompt for `messages`, ending where the assistant's answer begins.

    A template that refuses a system message gets its text in front of the first user message instead. Raises
    InputRefused where the template fails.
    """
    if template is None:
        return instruction_format(messages)
    try:
        said = [{"role": message.role, "content": message.content} for message in messages]
        return render_chat(template, said, bos=bos, eos=eos)
    except InputRefused:
        if messages and messages[0].role == "system":
            return render(template, _without_system(messages), bos, eos)
        raise


def stop_texts(prompt: str) -> tuple[str, ...]:
    """What ends an answer besides the model's own end token: the next heading of the instruction format.

    A model trained without an end token goes on to ask itself the next question.
    """
    return (INSTRUCTION, INPUT, RESPONSE) if prompt.rstrip().endswith(RESPONSE) else ()


def instruction_format(messages: Sequence[Message]) -> str:
    """Every user turn as an instruction, every answer after its heading; a system text stands first."""
    parts: list[str] = []
    for message in messages:
        if message.role == "system":
            parts.append(message.content)
        elif message.role == "user":
            parts.append(f"{INSTRUCTION}\n{message.content}")
        else:
            parts.append(f"{RESPONSE}\n{message.content}")
    return "\n\n".join([*parts, f"{RESPONSE}\n"])


def _without_system(messages: Sequence[Message]) -> list[Message]:
    first, *rest = messages
    if rest and rest[0].role == "user":
        return [Message("user", f"{first.content}\n\n{rest[0].content}"), *rest[1:]]
    return [Message("user", first.content), *rest]
