"""Which chat template is stored with the converted model: the seed's, the base's, a file's, or the adapter's own.

A template is a program. Here it is only parsed; sealed children render it.
"""

from collections.abc import Sequence
from pathlib import Path

from localfin_convert.read.checkpoint import read_json
from localfin_convert.vocabulary.files import damaged, read_template
from localfin_models.chat_template import check_syntax
from localfin_models.errors import InputRefused, NotFound
from localfin_models.language import _

SEED = "seed"
BASE = "base"
SEED_TEMPLATE = """\
{%- for message in messages -%}
    {%- if message['role'] == 'system' and loop.first -%}
        {{- message['content'] + '\\n\\n' -}}
    {%- elif message['role'] == 'user' -%}
        {{- '### 지시사항:\\n' + message['content'] + '\\n\\n' -}}
    {%- elif message['role'] == 'assistant' -%}
        {{- '### 응답:\\n' + message['content'] -}}
        {%- if eos_token -%}
            {{- eos_token -}}
        {%- endif -%}
        {%- if not loop.last -%}
            {{- '\\n\\n' -}}
        {%- endif -%}
    {%- else -%}
        {{- raise_exception('roles are user and assistant, and one system message first') -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '### 응답:\\n' -}}
{%- endif -%}"""
"""The instruction format of the seed. The beginning of the text is left to the tokenizer, which adds its BOS token."""


def resolve_prompt_format(choice: str | None, base: Path, adapters: Sequence[Path]) -> str | None:
    """The text for `tokenizer.chat_template`; None keeps the templates of `base`.

    `choice` is `seed`, `base` or the path of a template. Without one, a template in an adapter's folder is used.
    Raises NotFound where the path does not exist, InputRefused for a template that is too long, not UTF-8 or no Jinja,
    and where adapters bring different ones.
    """
    if choice == SEED:
        return SEED_TEMPLATE
    if choice == BASE:
        return None
    if choice is None:
        return _from_adapters(base, adapters)
    path = Path(choice)
    if not path.exists():
        raise NotFound(
            _("--prompt-format: {choice} is neither `seed`, `base` nor a file that exists").format(choice=choice)
        )
    return _checked(read_template(path), path.name)


def _from_adapters(base: Path, adapters: Sequence[Path]) -> str | None:
    found = {folder.name: template for folder in adapters if (template := _adapter_template(folder)) is not None}
    if len(set(found.values())) > 1:
        raise InputRefused(
            _("{adapters} bring different chat templates; choose one with --prompt-format").format(
                adapters=", ".join(found)
            )
        )
    return next(iter(found.values()), None)


def _adapter_template(folder: Path) -> str | None:
    """chat_template.jinja, else `chat_template` of tokenizer_config.json (the one named `default` of several)."""
    jinja = folder / "chat_template.jinja"
    if jinja.is_file():
        return _checked(read_template(jinja), f"{folder.name}/{jinja.name}")
    settings = folder / "tokenizer_config.json"
    template: object = read_json(settings).get("chat_template") if settings.is_file() else None
    if isinstance(template, list):
        named = [choice for choice in template if isinstance(choice, dict) and choice.get("name") == "default"]
        template = named[0].get("template") if named else None
    if template is None:
        return None
    file = f"{folder.name}/{settings.name}"
    if not isinstance(template, str):
        raise damaged(file, "chat_template")
    return _checked(template, file)


def _checked(template: str, file: str) -> str:
    """`template` if it is one. A blank one is refused: it would leave the model without a prompt."""
    if not template.strip():
        raise InputRefused(_("{file}: the chat template is empty").format(file=file))
    try:
        check_syntax(template)
    except InputRefused as error:
        raise InputRefused(_("{file} is no Jinja template: {why}").format(file=file, why=error)) from None
    return template
