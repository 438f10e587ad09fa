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
from typing import Literal, Self

import click

from localfin.answers.events import Event
from localfin.answers.lines import note_lines, source_lines
from localfin.answers.many import Answers, Way, answer_to, read_questions
from localfin.answers.report import report
from localfin.assistant import Answer, AnswerLanguage, Assistant, language_of
from localfin.engine.events import Finished, LoadOptions, Lora, Prefill, Sampling, Text
from localfin.text import clean_text
from localfin_models.catalog import find_model
from localfin_models.errors import INTERRUPTED, LocalfinError
from localfin_models.language import _
from localfin_models.progress import ProgressBar

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
@click.option(
    "-d",
    "--document",
    "documents",
    multiple=True,
    metavar="PATH",
    type=click.Path(path_type=Path),
    help=_(
        "Answer from this document or folder alone; several are taken together. Without it: from all that were added "
        "with `docs add`, and from the handbook."
    ),
)
@click.option(
    "--model-only",
    is_flag=True,
    help=_("Ask the model alone: no documents, no handbook, no calculators, and nothing is checked."),
)
@click.option(
    "--file",
    "many",
    metavar="Q.jsonl",
    type=click.Path(path_type=Path),
    help=_("Answer many questions, one JSON object a line: id, question; and system, lang, documents."),
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help=_("With --file: append the answers here; questions that are answered in it are skipped."),
)
@click.option("--json", "as_json", is_flag=True, help=_("Print one JSON object instead of the plain answer."))
def ask(
    question: str | None, model: str | None, adapters: tuple[Lora, ...], system: str | None, temperature: float,
    max_tokens: int | None, seed: int | None, lang: AnswerLanguage | None, gpu_layers: int | Literal["auto"],
    n_ctx: int | None, threads: int | None, documents: tuple[Path, ...], model_only: bool, many: Path | None,
    output: Path | None, as_json: bool,
) -> None:  # fmt: skip
    _refuse_together(question, many, output, documents, model_only)
    # A model that is not there is said before a long pipe is read.
    path = find_model(model) if question or many else None
    from localfin.engine.kept import states_folder

    options = LoadOptions(n_ctx, threads, gpu_layers, adapters, kept_in=states_folder())
    how = Way(
        system, lang, Sampling(temperature=temperature, max_tokens=max_tokens, seed=seed), documents, not model_only
    )
    if many is not None:
        _answer_many(many, output, path, options, how)
        return
    with _Status() as status:
        asked = _whole_question(question, status)
    with _Status() as status:
        status.show(_("loading the model"))
        assistant = Assistant(path or model, options)
    with assistant, _Status() as status, _interrupt_cancels(assistant):
        answer = assistant.whole(_shown(assistant.stream(asked, **how.arguments()), status, quiet=as_json))
    if as_json:
        click.echo(json.dumps(report(answer), ensure_ascii=False))
    else:
        _print_below(answer, lang or language_of(asked))
    if answer.usage.shifted_tokens:
        lost = _("The context was full: its oldest {n} tokens fell out meanwhile.")
        click.echo(lost.format(n=f"{answer.usage.shifted_tokens:,}"), err=True)
    if answer.finish_reason == "cancelled":
        raise click.exceptions.Exit(INTERRUPTED)


def _refuse_together(
    question: str | None, many: Path | None, output: Path | None, documents: tuple[Path, ...], model_only: bool
) -> None:
    if many is not None and question:
        raise click.UsageError(_("give a question or --file, not both"))
    if output is not None and many is None:
        raise click.UsageError(_("-o goes with --file"))
    if documents and model_only:
        raise click.UsageError(_("--model-only asks no documents: leave -d out"))


def _answer_many(file: Path, output: Path | None, model: Path | None, options: LoadOptions, how: Way) -> None:
    """All answers as JSON lines; an interrupt ends between two of them."""
    questions = read_questions(file)
    with Assistant(model, options) as assistant, Answers(output, assistant.model.sha256) as answers:
        todo = [question for question in questions if question.id not in answers.done]
        failed = 0
        with ProgressBar(_("answering"), unit=_("questions"), of_unit=1) as bar:
            for done, question in enumerate(todo, 1):
                failed += answers.write(answer_to(assistant, question, how))
                bar(done, len(todo))
    if failed:
        raise LocalfinError(_("{n} questions could not be answered; their lines say why").format(n=failed))


def _print_below(answer: Answer, language: str) -> None:
    """The sources and the notes, under a line of their own."""
    lines = [*source_lines(answer.citations, language), *note_lines(answer.notes)]
    if lines:
        click.echo("\n" + "\n".join(lines))


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


def _shown(events: Iterator[Event], status: _Status, *, quiet: bool) -> Iterator[Event]:
    """The same events; their text is printed as it comes, unless `quiet`."""
    begun = False
    try:
        for event in events:
            if isinstance(event, Prefill) and event.total > _LONG_PROMPT:
                percent = 100 * event.done // event.total
                status.show(_("reading the question {percent} %").format(percent=percent))
            elif isinstance(event, Text) and not quiet:
                status.clear()
                begun = True
                sys.stdout.write(event.text)
                sys.stdout.flush()
            elif isinstance(event, Finished) and not quiet:
                click.echo()
            yield event
    except LocalfinError:
        if begun:
            click.echo()  # what went wrong stands on a line of its own
        raise


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
