"""`localfin ask`: one question, one answer on stdout. Everything else goes to stderr."""

import json
import math
import os
import select
import signal
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self

import click

from localfin.assistant import Answer, AnswerLanguage, Assistant
from localfin.engine.events import Event, Finished, LoadOptions, Lora, ModelInfo, Prefill, Sampling, Text
from localfin.text import clean_text
from localfin_models.catalog import find_model
from localfin_models.errors import INTERRUPTED, LocalfinError
from localfin_models.language import _

_LONGEST_PIPE = 64 << 20
_SHORTLY_S = 0.2
_PIPE_PATIENCE_S = 30.0
"""How long a pipe beside a question may say nothing."""
_LONG_PROMPT = 1024
"""Tokens from which on a terminal is shown how far the question is read."""


def gpu_layers_from(value: str) -> int | Literal["auto"]:
    """`auto` or a number of layers, as `--gpu-layers` takes it."""
    if value == "auto":
        return "auto"
    if not (value.isascii() and value.isdigit()):
        raise click.BadParameter(_("{value} is neither auto nor a number of layers").format(value=value))
    return int(value)


def lora_from(value: str) -> Lora:
    """`FILE` or `FILE=SCALE`, as `--lora` takes it; a file that exists is never cut at its `=`."""
    path, separator, text = value.rpartition("=")
    if not separator or Path(value).exists():
        return Lora(Path(value))
    try:
        scale = float(text)
    except ValueError:
        scale = math.nan
    if not math.isfinite(scale) or scale == 0:
        raise click.BadParameter(_("{text} is no scale: a number other than 0 was expected").format(text=text))
    return Lora(Path(path), scale)


@click.command(
    short_help=_("Answer one question."),
    help=_(
        "Answer QUESTION, a text from a pipe, or both: the question first, then the piped text. "
        "Standard input that is no terminal is read to its end: in a loop or a script that needs it itself, "
        "write `localfin ask QUESTION </dev/null`."
    ),
)
@click.argument("question", required=False)
@click.option("-m", "--model", metavar="MODEL", help=_("A model's name or path; the default model if left out."))
@click.option(
    "--lora", "adapters", multiple=True, type=lora_from, metavar="FILE[=SCALE]",
    help=_("A GGUF adapter to answer with (made by `convert --as-lora`); several are added up."),
)  # fmt: skip
@click.option("-s", "--system", metavar="TEXT", help=_("What the model is told before the question."))
@click.option(
    "-t", "--temperature", type=click.FloatRange(0, 5), default=0.0, show_default=True,
    help=_("0 always takes the likeliest token."),
)  # fmt: skip
@click.option("-n", "--max-tokens", type=click.IntRange(min=1), help=_("Stop after so many tokens."))
@click.option("--seed", type=click.IntRange(0, 0xFFFFFFFF), help=_("Repeat an answer made with a temperature."))
@click.option("--lang", type=click.Choice(["ko", "en"]), help=_("The answer's language; the question's if left out."))
@click.option(
    "--gpu-layers",
    type=gpu_layers_from,
    metavar="auto|N",
    default="auto",
    show_default=True,
    help=_("Layers to put on a GPU."),
)
@click.option("--n-ctx", type=click.IntRange(min=16), help=_("Context in tokens."))
@click.option("--threads", type=click.IntRange(1, 512), help=_("Threads to compute with."))
@click.option("--json", "as_json", is_flag=True, help=_("Print one JSON object instead of the plain answer."))
def ask(
    question: str | None, model: str | None, adapters: tuple[Lora, ...], system: str | None, temperature: float,
    max_tokens: int | None, seed: int | None, lang: AnswerLanguage | None, gpu_layers: int | Literal["auto"],
    n_ctx: int | None, threads: int | None, as_json: bool,
) -> None:  # fmt: skip
    # A model that is not there is said before a long pipe is read.
    path = find_model(model) if question else None
    with _Status() as status:
        asked = _whole_question(question, status)
    sampling = Sampling(temperature=temperature, max_tokens=max_tokens, seed=seed)
    from localfin.engine.kept import states_folder

    options = LoadOptions(n_ctx, threads, gpu_layers, adapters, kept_in=states_folder())
    with _Status() as status:
        status.show(_("loading the model"))
        assistant = Assistant(path or model, options)
    with assistant, _Status() as status, _interrupt_cancels(assistant):
        events = assistant.stream(asked, system=system, language=lang, sampling=sampling)
        finished, text = _print(events, status, quiet=as_json)
        if as_json:
            answer = Answer(text, assistant.model, finished.usage, finished.reason)
            click.echo(json.dumps(report(answer), ensure_ascii=False))
    if finished.usage.shifted_tokens:
        lost = _("The context was full: its oldest {n} tokens fell out meanwhile.")
        click.echo(lost.format(n=f"{finished.usage.shifted_tokens:,}"), err=True)
    if finished.reason == "cancelled":
        raise click.exceptions.Exit(INTERRUPTED)


def report(answer: Answer) -> dict[str, Any]:
    """What `--json` prints."""
    usage = answer.usage
    return {
        "answer": answer.text,
        "model": _model(answer.model),
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "prefill_s": round(usage.prefill_s, 4),
            "decode_tokens_per_s": round(usage.decode_tokens_per_s, 2),
            "load_s": round(usage.load_s, 4),
            "shifted_tokens": usage.shifted_tokens,
        },
        "finish_reason": answer.finish_reason,
    }


class _Status:
    """One line on stderr that a terminal shows while there is nothing else to see; silent where there is none."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.clear()

    def show(self, text: str) -> None:
        if self._terminal:
            sys.stderr.write(f"\r\x1b[2K{text} …")
            sys.stderr.flush()
            self._shown = True

    def clear(self) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
            self._shown = False


@contextmanager
def _interrupt_cancels(assistant: Assistant) -> Generator[None]:
    """Ctrl-C stops the answer and keeps what was said; a second one ends the program.

    A KeyboardInterrupt would end the stream of events wherever it stands, with the rest of the answer in it.
    """
    seen = False

    def interrupt(_number: int, _frame: object) -> None:
        nonlocal seen
        if seen:
            raise KeyboardInterrupt
        seen = True
        # From a thread of its own: this one may be in the midst of writing to the engine.
        threading.Thread(target=assistant.cancel, daemon=True).start()

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _print(events: Iterator[Event], status: _Status, *, quiet: bool) -> tuple[Finished, str]:
    """Print the answer as it comes, unless `quiet`; returns its end and the whole text."""
    parts: list[str] = []
    try:
        finished = _print_pieces(events, status, parts, quiet=quiet)
    except LocalfinError:
        if parts and not quiet:
            click.echo()  # what went wrong stands on a line of its own
        raise
    if not quiet:
        click.echo()
    return finished, "".join(parts)


def _print_pieces(events: Iterator[Event], status: _Status, parts: list[str], *, quiet: bool) -> Finished:
    for event in events:
        if isinstance(event, Prefill) and event.total > _LONG_PROMPT:
            percent = 100 * event.done // event.total
            status.show(_("reading the question {percent} %").format(percent=percent))
        elif isinstance(event, Text):
            status.clear()
            parts.append(event.text)
            if not quiet:
                sys.stdout.write(event.text)
                sys.stdout.flush()
        elif isinstance(event, Finished):
            return event
    raise LocalfinError(_("the answer ended without an end"))


def _model(info: ModelInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "path": str(info.path),
        "sha256": info.sha256,
        "quantization": info.quantization,
        "adapters": [
            {"name": adapter.name, "path": str(adapter.path), "sha256": adapter.sha256, "scale": adapter.scale}
            for adapter in info.adapters
        ],
    }


def _whole_question(argument: str | None, status: _Status) -> str:
    piped = "" if sys.stdin.isatty() else _piped_text(status, patience_s=_PIPE_PATIENCE_S if argument else None)
    parts = [clean_text(part).strip() for part in (argument or "", piped)]
    question = "\n\n".join(part for part in parts if part)
    if not question:
        raise click.UsageError(_("ask what? Give a question, or pipe a text in."))
    return question


def _piped_text(status: _Status, patience_s: float | None) -> str:
    """Standard input to its end. Raises UsageError where nothing came, not even its end, within `patience_s`.

    A pipe that a service manager holds open looks like one whose writer is slow. Answering without the text could
    answer another question, and waiting could last for ever: so it is said.
    """
    if not _readable(_SHORTLY_S):
        status.show(_("reading the piped text"))
        if patience_s is not None and not _readable(patience_s):
            reason = _("standard input is open, but nothing came in {n} s: close it with </dev/null")
            raise click.UsageError(reason.format(n=round(patience_s)))
    data = sys.stdin.buffer.read(_LONGEST_PIPE + 1)
    if len(data) > _LONGEST_PIPE:
        raise click.UsageError(_("the piped text is longer than {n} MB").format(n=_LONGEST_PIPE >> 20))
    return data.decode("utf-8-sig", "replace")


def _readable(seconds: float) -> bool:
    """Whether standard input has something to read, or ended, within so many seconds. Windows cannot ask a pipe."""
    if os.name != "posix":
        return True
    return bool(select.select([sys.stdin.fileno()], [], [], seconds)[0])
