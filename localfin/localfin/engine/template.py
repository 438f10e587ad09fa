"""Messages to the one text a model is prompted with. Chat templates are programs: only the sealed child runs them."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import NoReturn

from jinja2 import TemplateError
from jinja2.ext import Extension
from jinja2.nodes import CallBlock, Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from localfin.engine.events import Message
from localfin_models.errors import InputRefused
from localfin_models.language import _

INSTRUCTION, INPUT, RESPONSE = "### 지시사항:", "### 입력:", "### 응답:"
"""The headings of the instruction format that adapters here are trained on; used where a model carries no template."""

LONGEST_TEMPLATE = 1 << 20


def render(template: str | None, messages: Sequence[Message], bos: str, eos: str) -> str:
    """The prompt for `messages`, ending where the assistant's answer begins.

    A template that refuses a system message gets its text in front of the first user message instead. Raises
    InputRefused where the template fails.
    """
    if template is None:
        return instruction_format(messages)
    if len(template) > LONGEST_TEMPLATE:
        raise InputRefused(_("the model's chat template is too long"))
    try:
        return _render(template, messages, bos, eos)
    except (
        TemplateError,
        ArithmeticError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
    ) as error:
        if messages and messages[0].role == "system":
            return render(template, _without_system(messages), bos, eos)
        raise InputRefused(_("the model's chat template fails: {error}").format(error=error)) from None


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


def _render(template: str, messages: Sequence[Message], bos: str, eos: str) -> str:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", _Generation]
    )
    environment.filters["tojson"] = _to_json
    return environment.from_string(template).render(
        messages=[{"role": m.role, "content": m.content} for m in messages],
        # None and not undefined, as templates find it in training: `tools is not none` is common.
        tools=None,
        documents=None,
        add_generation_prompt=True,
        bos_token=bos,
        eos_token=eos,
        raise_exception=_raise,
        strftime_now=_now,
    )


def _without_system(messages: Sequence[Message]) -> list[Message]:
    first, *rest = messages
    if rest and rest[0].role == "user":
        return [Message("user", f"{first.content}\n\n{rest[0].content}"), *rest[1:]]
    return [Message("user", first.content), *rest]


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)


def _now(form: str) -> str:
    return datetime.now().strftime(form)


def _to_json(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """With the arguments, in the order, that templates written for transformers give; jinja2's own escapes HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


class _Generation(Extension):
    """`{% generation %}` marks an assistant's text for training; for a prompt its body simply stands."""

    tags = {"generation"}  # noqa: RUF012 - jinja2's own declaration

    def parse(self, parser: Parser) -> Node | list[Node]:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller: object) -> str:
        return str(caller()) if callable(caller) else ""
