"""Prompts: the instruction format of the seed, templates of the families, and what the sandbox refuses."""

import pytest

from localfin.engine.child import stream_text
from localfin.engine.events import Message
from localfin.engine.template import instruction_format, render, stop_texts
from localfin_models.errors import InputRefused

TURNS = [Message("user", "1+1?"), Message("assistant", "2"), Message("user", "2+2?")]
LLAMA2 = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
    "{% elif m['role'] == 'assistant' %}{{ ' ' + m['content'] + ' ' + eos_token }}"
    "{% else %}{{ raise_exception('only user and assistant') }}{% endif %}{% endfor %}"
)
CHATML = (
    "{%- for message in messages %}\n{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}\n"
    "{%- endfor %}\n{%- if add_generation_prompt %}\n{{- '<|im_start|>assistant\\n' }}\n{%- endif %}"
)


def test_the_instruction_format_is_the_seeds():
    assert instruction_format([Message("user", "다음 거래가 이상 거래인지 판단해주세요.")]) == (
        "### 지시사항:\n다음 거래가 이상 거래인지 판단해주세요.\n\n### 응답:\n"
    )
    assert instruction_format([Message("system", "짧게."), *TURNS]) == (
        "짧게.\n\n### 지시사항:\n1+1?\n\n### 응답:\n2\n\n### 지시사항:\n2+2?\n\n### 응답:\n"
    )


def test_a_model_without_a_template_gets_the_instruction_format():
    assert render(None, TURNS, "<s>", "</s>") == instruction_format(TURNS)


def test_templates_of_known_families():
    assert render(LLAMA2, TURNS, "<s>", "</s>") == "<s>[INST] 1+1? [/INST] 2 </s>[INST] 2+2? [/INST]"
    assert render(CHATML, TURNS[:1], "", "") == "<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n"


def test_a_system_text_moves_where_the_template_has_no_place_for_it():
    said = render(LLAMA2, [Message("system", "Be brief."), *TURNS[:1]], "<s>", "</s>")
    assert said == "<s>[INST] Be brief.\n\n1+1? [/INST]"


def test_what_transformers_templates_use_is_there():
    assert render("{{ messages | tojson }}", TURNS[:1], "", "") == '[{"role": "user", "content": "1+1?"}]'
    assert render("{% for m in messages %}{% break %}{% endfor %}x", TURNS, "", "") == "x"
    assert render("{% generation %}{{ messages[0].content }}{% endgeneration %}", TURNS, "", "") == "1+1?"
    year = render("{{ strftime_now('%Y') }}", TURNS, "", "")
    assert year.isdigit()
    assert int(year) >= 2024
    assert render("{{ 'x' if tools is not none or documents is not none }}", TURNS, "", "") == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("ensure_ascii=False", '{"b": "가", "a": 1}'),
        ("ensure_ascii=True", '{"b": "\\uac00", "a": 1}'),
        ("separators=(',', ':')", '{"b":"가","a":1}'),
        ("sort_keys=True", '{"a": 1, "b": "가"}'),
        ("indent=1", '{\n "b": "가",\n "a": 1\n}'),
    ],
)
def test_tojson_takes_what_transformers_takes(arguments, said):
    assert render("{{ {'b': '가', 'a': 1} | tojson(" + arguments + ") }}", TURNS, "", "") == said


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{{ cycler.__init__.__globals__ }}",
        "{% include '/etc/passwd' %}",
        "{{ undefined.attribute }}",
        pytest.param("x" * ((1 << 20) + 1), id="too long"),
    ],
)
def test_what_reaches_out_of_the_sandbox_is_refused(template):
    with pytest.raises(InputRefused):
        render(template, TURNS, "", "")


def streamed(pieces: list[str], prompt: str) -> tuple[str, bool]:
    events: list[dict[str, str]] = []
    stopped = stream_text(iter(pieces), stop_texts(prompt), events.append)
    return "".join(e["text"] for e in events), stopped


def test_an_answer_ends_before_the_next_heading():
    prompt = instruction_format(TURNS)
    assert streamed(["답입니다.", "\n", "\n#", "## ", "지시", "사항:", " 또"], prompt) == ("답입니다.", True)
    assert streamed(["답 ### 응", "답은 아님"], prompt) == ("답 ### 응답은 아님", False)
    assert streamed(["끝\n\n##"], prompt) == ("끝\n\n##", False)
    assert streamed(["### 입력:"], prompt) == ("", True)


def test_other_formats_have_no_headings_to_end_at():
    text = "제목은\n### 지시사항:\n입니다"
    assert streamed([text], render(CHATML, TURNS, "", "")) == (text, False)


def test_few_events_for_many_pieces():
    events: list[dict[str, str]] = []
    stream_text(iter("a" * 5000), (), events.append)
    assert "".join(e["text"] for e in events) == "a" * 5000
    assert len(events) < 50
