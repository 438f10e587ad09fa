"""The assistant over the scripted engine, and that engine itself: the same events and errors as the real one's."""

from pathlib import Path

import pytest

import localfin
from localfin.assistant import Answer, Assistant, conversation, language_of
from localfin.engine.errors import ContextFull, EngineDied
from localfin.engine.events import Finished, Message, Prefill, Sampling, Text
from localfin.engine.fake import Answer as Script
from localfin.engine.fake import FakeEngine
from localfin_models.errors import LocalfinError, NotFound


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"x")
    return path


def test_ask_returns_the_whole_answer(model):
    engine = FakeEngine(["하나", Script("둘", prompt_tokens=7)])
    with Assistant(model, engine=engine) as assistant:
        first = assistant.ask("첫째?")
        assert (first.text, first.finish_reason, first.model.path) == ("하나", "stop", model)
        history = [Message("user", "첫째?"), Message("assistant", first.text)]
        second = assistant.ask("둘째?", system="짧게.", history=history, sampling=Sampling(seed=4))
        assert second.usage.prompt_tokens == 7
    messages, sampling = engine.asked[1]
    assert [m.role for m in messages] == ["system", "user", "assistant", "user"]
    assert sampling.seed == 4
    assert engine.model is None


def test_the_real_engine_serves_the_same_interface(speaker):
    with Assistant(speaker) as assistant:
        answer = assistant.ask("hi", evidence=False)
        assert isinstance(answer, Answer)
        assert answer.text == "가나 hello"
        assert assistant.model.name == "speaker"


def test_a_model_that_died_can_be_loaded_again(model):
    assistant = Assistant(model, engine=FakeEngine([Script("never said", die_after=0), "again"]))
    with pytest.raises(EngineDied):
        assistant.ask("?")
    with pytest.raises(LocalfinError):
        _ = assistant.model
    assistant.reload()
    assert assistant.ask("?").text == "again"


def test_a_missing_model_is_not_found(tmp_path):
    with pytest.raises(NotFound):
        Assistant(tmp_path / "missing.gguf", engine=FakeEngine())


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("예금 이자가 뭐예요?", "ko"),
        ("Kakao Bank의 FDS 알려줘", "ko"),
        ("What is 전세?", "en"),
        ("예금 is what?", "en"),
        ("What is a deposit?", "en"),
        ("1234", "en"),
        ("", "en"),
    ],
)
def test_the_questions_language(text, language):
    assert language_of(text) == language


def test_a_language_is_asked_for_only_where_needed():
    assert conversation("예금?", None, language="ko") == [Message("user", "예금?")]
    assert conversation("예금?", None, language="en")[0].content.endswith("answer in English.")
    assert "한국어" in conversation("deposit?", "sys", language="ko")[1].content


def test_the_script_streams_prefills_pieces_and_an_end(model):
    engine = FakeEngine([Script("abcdefgh", piece=3, prefill_steps=2, prompt_tokens=10)])
    engine.load(model)
    *events, end = engine.generate([Message("user", "?")])
    assert events == [Prefill(5, 10), Prefill(10, 10), Text("abc"), Text("def"), Text("gh")]
    assert isinstance(end, Finished)
    assert (end.reason, end.usage.completion_tokens) == ("stop", 3)


def test_the_script_cancels_limits_and_refuses(model):
    engine = FakeEngine([Script("abcdefgh", piece=1), Script("x", context_full=True)])
    engine.load(model)
    events = []
    for event in engine.generate([]):
        events.append(event)
        if event == Text("b"):
            engine.cancel()
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "cancelled"
    with pytest.raises(ContextFull):
        list(engine.generate([]))
    assert engine.model is not None
    *_, end = engine.generate([], Sampling(max_tokens=2))
    assert isinstance(end, Finished)
    assert (end.reason, end.usage.completion_tokens) == ("length", 2)


def test_the_public_names_are_these_and_all_are_there():
    assert localfin.__all__ == [
        "AdapterInfo", "Answer", "Assistant", "LoadOptions", "Lora", "Message", "ModelInfo", "Sampling", "Usage",
    ]  # fmt: skip
    assert all(getattr(localfin, name).__name__ == name for name in localfin.__all__)
    with pytest.raises(AttributeError):
        _ = localfin.nothing
