"""Chat templates before anything is written: what no prompt needs is refused."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.convert.tiny import convert

from localfin_models.errors import InputRefused

BOMB = "{% if messages[0].role == 'system' %}{{ 'a' * 10**9 }}{% endif %}{{ messages[0].content }}"


def with_template(folder: Path, template: object) -> Path:
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "chat_template": template}))
    return folder


@pytest.mark.parametrize(
    ("template", "why"),
    [
        (BOMB, "more than"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion"),
        ("{% for m in messages %}", "Unexpected end of template"),
        ("{{ raise_exception('closed') }}", "closed"),
        ([{"name": "default", "template": "{{ messages }}"}, {"name": "tools", "template": BOMB}], "more than"),
    ],
)
def test_refused_before_anything_is_written(
    template: object, why: str, checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    base, out = with_template(checkpoint(), template), tmp_path / "out" / "model.gguf"
    out.parent.mkdir()
    started = time.monotonic()
    with pytest.raises(InputRefused, match=f"{why}.*--prompt-format"):
        convert(base, [], out)
    assert time.monotonic() - started < 1
    assert not list(out.parent.iterdir())


def test_a_named_template_may_refuse_what_is_no_conversation_for_it(
    checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    named = [
        {"name": "default", "template": "{{ messages[0].content }}"},
        {"name": "tools", "template": "{{ tools.x }}"},
    ]
    assert convert(with_template(checkpoint(), named), [], tmp_path / "out.gguf", "f16").parameters
