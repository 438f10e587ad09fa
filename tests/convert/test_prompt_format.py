"""Which chat template is chosen, and that the seed's renders to the very text an adapter is trained on."""

import json
from pathlib import Path
from typing import Any

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tests.convert.small_tokenizers import write_folder

from localfin_convert.prompt_format import SEED_TEMPLATE, resolve_prompt_format
from localfin_models.errors import InputRefused, NotFound

MODELS = Path(__file__).parents[2] / "models"
NAMED = [{"name": "tool", "template": "x"}, {"name": "default", "template": "{{ own }}"}]
QUESTION = "이자는 얼마입니까?"


def render(messages: list[tuple[str, str]], *, prompt: bool = True, trim: bool = False, **words: Any) -> str:
    def raise_exception(message: str) -> None:
        raise ValueError(message)

    environment = ImmutableSandboxedEnvironment(trim_blocks=trim, lstrip_blocks=trim)
    return environment.from_string(SEED_TEMPLATE).render(
        messages=[{"role": role, "content": content} for role, content in messages],
        add_generation_prompt=prompt,
        raise_exception=raise_exception,
        **words,
    )


@pytest.mark.parametrize("trim", [False, True])
@pytest.mark.parametrize("words", [{}, {"bos_token": "<s>", "eos_token": "</s>"}])
def test_single_turn_is_the_seeds_form(trim: bool, words: dict[str, str]) -> None:
    assert render([("user", QUESTION)], trim=trim, **words) == f"### 지시사항:\n{QUESTION}\n\n### 응답:\n"


def test_an_input_part_is_left_as_it_stands() -> None:
    asked = "다음 거래가 이상 거래인지 판단해주세요.\n\n### 입력:\n금액: 5000만원"
    assert render([("user", asked)]) == f"### 지시사항:\n{asked}\n\n### 응답:\n"


def test_turns_follow_each_other() -> None:
    turns = [("system", "짧게."), ("user", "하나"), ("assistant", "일"), ("user", "둘")]
    rendered = render(turns, eos_token="</s>")
    assert rendered == ("짧게.\n\n### 지시사항:\n하나\n\n### 응답:\n일</s>\n\n### 지시사항:\n둘\n\n### 응답:\n")


def test_a_training_text_ends_where_the_answer_ends() -> None:
    rendered = render([("user", "하나"), ("assistant", "일")], prompt=False, eos_token="</s>")
    assert rendered == "### 지시사항:\n하나\n\n### 응답:\n일</s>"


@pytest.mark.parametrize("turns", [[("user", "a"), ("system", "b")], [("tool", "a")]])
def test_a_role_that_would_be_lost_is_refused(turns: list[tuple[str, str]]) -> None:
    with pytest.raises(ValueError, match="roles are user and assistant"):
        render(turns)


@pytest.mark.parametrize("folder", ["recipes", "starter/adapter"])
def test_the_starters_template_is_this_one(folder: str) -> None:
    assert (MODELS / folder / "chat_template.jinja").read_text(encoding="utf-8").removesuffix("\n") == SEED_TEMPLATE


def test_named_choices(tmp_path: Path) -> None:
    adapter = write_folder(tmp_path / "adapter", {"chat_template.jinja": "{{ messages }}"})
    assert resolve_prompt_format("seed", tmp_path, [adapter]) == SEED_TEMPLATE
    assert resolve_prompt_format("base", tmp_path, [adapter]) is None


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.jinja").write_bytes("{{ messages }}\r\n한글".encode())
    assert resolve_prompt_format(str(tmp_path / "mine.jinja"), tmp_path, []) == "{{ messages }}\n한글"


def test_a_file_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="neither `seed`, `base` nor a file"):
        resolve_prompt_format("seeed", tmp_path, [])


def test_by_itself_without_an_adapters_template(tmp_path: Path) -> None:
    write_folder(tmp_path / "base", {"chat_template.jinja": "{{ messages }}"})
    adapter = write_folder(tmp_path / "adapter", {"tokenizer_config.json": {"eos_token": "</s>"}})
    assert resolve_prompt_format(None, tmp_path / "base", [adapter]) is None


@pytest.mark.parametrize(
    "files",
    [
        {"chat_template.jinja": "{{ own }}", "tokenizer_config.json": {"chat_template": "{{ other }}"}},
        {"tokenizer_config.json": {"chat_template": "{{ own }}"}},
        {"tokenizer_config.json": {"chat_template": NAMED}},
    ],
)  # fmt: skip
def test_by_itself_from_the_adapter(tmp_path: Path, files: dict[str, Any]) -> None:
    adapter = write_folder(tmp_path / "adapter", files)
    plain = write_folder(tmp_path / "plain", {})
    assert resolve_prompt_format(None, tmp_path, [plain, adapter]) == "{{ own }}"


def test_adapters_that_disagree(tmp_path: Path) -> None:
    folders = [write_folder(tmp_path / name, {"chat_template.jinja": name}) for name in ("one", "two")]
    with pytest.raises(InputRefused, match="one, two bring different chat templates"):
        resolve_prompt_format(None, tmp_path, folders)
    same = write_folder(tmp_path / "three", {"chat_template.jinja": "one"})
    assert resolve_prompt_format(None, tmp_path, [folders[0], same]) == "one"


BROKEN = {
    "open block": b"{% for m in messages %}",
    "open variable": b"{{ a",
    "unknown tag": b"{% nonsense %}",
    "empty": b" \n",
    "no UTF-8": b"{{ a }}\xff",
    "too long": b"a" * (256 * 1024 + 1),
    "too deep": b"{{ " + b"(" * 20_000 + b"1" + b")" * 20_000 + b" }}",
    "blocks too deep": b"{% if a %}" * 5_000 + b"{% endif %}" * 5_000,
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_template_is_refused_in_one_line(tmp_path: Path, what: str) -> None:
    (tmp_path / "broken.jinja").write_bytes(BROKEN[what])
    with pytest.raises(InputRefused) as caught:
        resolve_prompt_format(str(tmp_path / "broken.jinja"), tmp_path, [])
    assert "broken.jinja" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_template(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="is not a file"):
        resolve_prompt_format(str(tmp_path), tmp_path, [])


@pytest.mark.parametrize("template", [3, {"a": 1}, [{"name": "default", "template": 3}]])
def test_settings_with_a_template_that_is_no_text(tmp_path: Path, template: Any) -> None:
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    with pytest.raises(InputRefused, match="chat_template"):
        resolve_prompt_format(None, tmp_path, [tmp_path])


def test_marks_of_training_libraries_are_parsed(tmp_path: Path) -> None:
    text = "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% break %}{% endfor %}"
    (tmp_path / "marked.jinja").write_text(text)
    assert resolve_prompt_format(str(tmp_path / "marked.jinja"), tmp_path, []) == text
