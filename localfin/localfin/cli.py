"""The command line: which subcommands there are, the seal before any of them runs, and errors as exit codes.

Subcommands stand here as names and one line each; a module is imported only when its command is called, so that
`localfin --help` costs little more than the interpreter.
"""

import importlib
import io
import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from localfin_models.errors import INTERRUPTED, LocalfinError
from localfin_models.language import _

APP = "localfin.commands.app:app"
"""What runs without a subcommand."""

COMMANDS: dict[str, tuple[str, str]] = {
    "app": (APP, _("Open the app.")),
    "convert": ("localfin_convert.command:convert", _("Merge, convert and quantize: base + adapter to GGUF.")),
    "imatrix": ("localfin_convert.imatrix.command:imatrix", _("Measure on a text what a model's columns weigh.")),
    "ask": ("localfin.commands.ask:ask", _("Answer one question.")),
    "docs": ("localfin.commands.docs:docs", _("Add documents to answer from; list, search and remove them.")),
    "calc": ("localfin.commands.calc:calc", _("Calculate loans, savings, ratios, returns, bonds.")),
    "fraud": ("localfin.commands.fraud:fraud", _("Check transactions for fraud.")),
    "models": ("localfin.commands.models:models", _("List the models on this machine, show one, choose the default.")),
    "doctor": ("localfin.commands.doctor:doctor", _("Say what is wrong with this machine, and prove the seal.")),
}

NETWORKED: dict[tuple[str, str], str] = {("fraud", "check"): "--engine", ("fraud", "fit"): "--engine"}
"""Commands that need a network when they are given an option, start without the seal then, and say so."""


class _Commands(click.Group):
    """A group whose commands are imported when they are called, and listed without being imported."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return _imported(COMMANDS[cmd_name][0]) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section(_("Commands")):
            formatter.write_dl([(name, text) for name, (_where, text) in COMMANDS.items()])


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=_("An offline financial assistant. Without a command it opens the app."),
)
@click.option("--version", is_flag=True, help=_("Show the version and exit."))
@click.pass_context
def cli(ctx: click.Context, version: bool) -> None:
    if version:
        click.echo(f"localfin {_version()}")
        ctx.exit()
    if ctx.invoked_subcommand is None:
        ctx.invoke(_imported(APP))


def main() -> NoReturn:
    """The program. Exit codes as in `localfin_models.errors`; one line on stderr says what went wrong."""
    _open_missing_streams()
    for stream in (sys.stdout, sys.stderr):
        # A terminal of another encoding (EUC-KR) shows a question mark, not a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        option = _network_asked(sys.argv[1:])
        if option is None:
            from localfin_models.seal import seal_program

            seal_program()
        else:
            said = _("{option} needs a network; this run is not sealed").format(option=option)
            print(f"localfin: {said}", file=sys.stderr)
        # Without standalone mode click returns the code that a command left with; commands themselves return nothing.
        left = cli(standalone_mode=False)
        code = left if isinstance(left, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:  # a group without its command: what there is, as it is laid out
        code = error.exit_code
        print(error.format_message(), file=sys.stderr)
    except click.ClickException as error:
        code = error.exit_code
        _tell(_with_hint(error), error)
    except LocalfinError as error:
        code = error.exit_code
        _tell(str(error), error)
    except (KeyboardInterrupt, click.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        code = 1
        _silence_stdout()
    except Exception as error:  # noqa: BLE001 - the last line of defence says one line instead of a traceback
        code = 1
        _tell(f"{type(error).__name__}: {error}", error)
    try:
        sys.stdout.flush()
    except OSError:  # the reader left, or the disk is full
        code = code or 1
        _silence_stdout()
    sys.exit(code)


def _open_missing_streams() -> None:
    """Whoever starts us may have closed a standard stream (`>&-`), which Python shows as None: it is empty instead."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 - open until the process ends
            setattr(sys, name, stream)


def _with_hint(error: click.ClickException) -> str:
    """What click found wrong, and where the right usage stands."""
    message = error.format_message()
    if isinstance(error, click.UsageError) and error.ctx is not None:
        hint = _("see {command} --help").format(command=error.ctx.command_path)
        return f"{message.rstrip('.')} ({hint})"
    return message


def _imported(where: str) -> click.Command:
    module, _colon, attribute = where.partition(":")
    command = getattr(importlib.import_module(module), attribute)
    if not isinstance(command, click.Command):
        raise TypeError(f"{where} is no command")
    return command


def _network_asked(arguments: list[str]) -> str | None:
    """The option of `NETWORKED` that is given, if its command is."""
    option = NETWORKED.get((arguments[0], arguments[1])) if len(arguments) > 1 else None
    if option is None or not any(each == option or each.startswith(f"{option}=") for each in arguments):
        return None
    return option


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("localfin")
    except PackageNotFoundError:
        return _("(not installed)")


def _tell(message: str, error: BaseException) -> None:
    from localfin.text import clean_text  # whose patterns a run without an error does not pay for

    line = " ".join(clean_text(message).split())
    print(f"localfin: {line}", file=sys.stderr)
    if os.environ.get("LOCALFIN_DEBUG"):
        import traceback

        traceback.print_exception(error)


def _silence_stdout() -> None:
    """What is still buffered must not raise again while the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
