"""Chat templates as transformers runs them, in Jinja's sandbox. They are programs: only a sealed child renders them."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NoReturn

from jinja2 import TemplateError
from jinja2.ext import Extension
from jinja2.nodes import CallBlock, Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from localfin_models.errors import InputRefused
from localfin_models.language import _

LONGEST_TEMPLATE = 1 << 20

Conversation = Sequence[Mapping[str, str]]
"""Messages, each with `role` and `content`."""


def check_syntax(template: str) -> None:
    """Parses and runs nothing. Raises InputRefused, saying why, for what is no Jinja template."""
    try:
        _environment().parse(template)
    except TemplateError as error:
        raise InputRefused(" ".join(str(error).split())) from None
    except RecursionError:
        raise InputRefused(_("too deep")) from None


def render_chat(
    template: str, messages: Conversation, *, bos: str, eos: str, add_generation_prompt: bool = True
) -> str:
    """What `apply_chat_template` of transformers gives for `messages`. Raises InputRefused where the template fails."""
    if len(template) > LONGEST_TEMPLATE:
        raise InputRefused(_("the model's chat template is too long"))
    try:
        return (
            _environment()
            .from_string(template)
            .render(
                messages=[dict(message) for message in messages],
                # None and not undefined, as templates find it in training: `tools is not none` is common.
                tools=None,
                documents=None,
                add_generation_prompt=add_generation_prompt,
                bos_token=bos,
                eos_token=eos,
                raise_exception=_raise,
                strftime_now=_now,
            )
        )
    except (
        TemplateError,
        ArithmeticError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
    ) as error:
        raise InputRefused(
            _("the model's chat template fails: {error}").format(error=" ".join(str(error).split()))
        ) from None


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", _Generation]
    )
    environment.filters["tojson"] = _to_json
    return environment


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
