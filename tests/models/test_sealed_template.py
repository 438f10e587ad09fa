"""Templates from outside: what they may do, and how soon those that exhaust the machine are over."""

import time

import pytest

from localfin_models.chat_template import check_syntax
from localfin_models.errors import InputRefused
from localfin_models.sealed_template import Refusal, Rendering, TemplateExhausts, open_renderer

TURNS = ({"role": "user", "content": "이자는?"}, {"role": "assistant", "content": "3.5%"})


def test_prompts_and_refusals_come_from_one_child() -> None:
    template = (
        "{{ bos_token }}{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}{{ add_generation_prompt }}"
    )
    refusing = "{{ raise_exception('roles must\n alternate') }}"
    with open_renderer() as renderer:
        assert renderer.render(Rendering(template, TURNS, "<s>", "</s>")) == "<s>이자는?</s>3.5%</s>True"
        assert renderer.render(Rendering(template, TURNS[:1], "", "", False)) == "이자는?False"
        assert renderer.render(Rendering(refusing, TURNS, "", "")) == Refusal(
            "the model's chat template fails: roles must alternate"
        )
        assert renderer.render(Rendering("{{ open('/etc/passwd') }}", TURNS, "", "")) == Refusal(
            "the model's chat template fails: 'open' is undefined"
        )


BOMBS = {
    "memory": "{{ 'a' * 10**9 }}",
    "width": "{{ '%999999999d' % 1 }}",
    "time": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "one long step": "{{ 7 ** (7 ** 9) }}",
    "growth": "{% set n = namespace(a='ab') %}{% for i in range(99) %}{% set n.a = n.a + n.a %}{% endfor %}",
    "length": "{{ 'a' * 2**21 }}",
    "compilation": "{{ " + "+".join(["1"] * 100_000) + " }}",
}


@pytest.mark.parametrize("template", [pytest.param(text, id=name) for name, text in BOMBS.items()])
def test_a_bomb_is_over_in_under_a_second(template: str) -> None:
    started = time.monotonic()
    with pytest.raises(TemplateExhausts, match=r"more than 0\.3 s or 128 MB"), open_renderer() as renderer:
        renderer.render(Rendering(template, TURNS, "", ""))
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("template", ["{% if %}", "{{" + "(" * 10_000 + ")" * 10_000 + "}}", "{% for x in y %}"])
def test_what_is_no_template(template: str) -> None:
    with pytest.raises(InputRefused):
        check_syntax(template)
