"""The documents are true: every command is in both guides, their command lines parse, their links lead somewhere."""

import importlib
import re
import shlex
from pathlib import Path

import click
import pytest

from localfin.cli import COMMANDS

TOP = Path(__file__).parents[1]
GUIDES = ("docs/en/guide.md", "docs/ko/guide.md")
SIGNALS = ("docs/en/signals.md", "docs/ko/signals.md", "docs/en/fraud-model.md", "docs/ko/fraud-model.md")
CONVERT = ("docs/en/convert.md", "docs/ko/convert.md")
ADAPTERS = ("docs/en/adapters.md", "docs/ko/adapters.md")
FRAUD = ("docs/en/fraud.md", "docs/ko/fraud.md")
CALC = ("docs/en/calc.md", "docs/ko/calc.md")
TABLES = ("docs/en/tables.md", "docs/ko/tables.md")
ANSWERS = ("docs/en/answers.md", "docs/ko/answers.md")
PAGES = ("docs/en/documents.md", "docs/ko/documents.md")
COMMANDED = (*ANSWERS, *CALC, *CONVERT, *FRAUD, *GUIDES, *PAGES, *SIGNALS, *TABLES)
DOCUMENTS = (
    "README.md", "CONTRIBUTING.md", "docs/app.md", "docs/ko/app.md", *ADAPTERS, *ANSWERS, *CALC, *CONVERT, *FRAUD,
    *GUIDES, *PAGES, *SIGNALS, *TABLES,
)  # fmt: skip
FENCE = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)\)")


def command_lines(document: str) -> list[str]:
    """What follows `localfin` in the fenced shell lines of `document`, comments and optional parts cut."""
    found = []
    for block in FENCE.findall((TOP / document).read_text(encoding="utf-8")):
        for line in block.splitlines():
            for part in re.split(r"&&|\|", re.sub(r"\[[^\]]*\]", "", line)):
                words = shlex.split(part, comments=True)
                if words[:1] == ["localfin"]:
                    found.append(shlex.join(words[1:]))
    return found


@pytest.mark.parametrize("guide", GUIDES)
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(guide: str, name: str) -> None:
    assert f"localfin {name}" in (TOP / guide).read_text(encoding="utf-8")


@pytest.mark.parametrize("document", ["README.md", *COMMANDED])
def test_documented_command_lines_parse(document: str) -> None:
    lines = command_lines(document)
    assert lines
    for line in lines:
        name, *arguments = shlex.split(line) or ["", ""]
        if not name:
            continue  # `localfin` alone
        module, attribute = COMMANDS[name][0].split(":")
        command = getattr(importlib.import_module(module), attribute)
        while isinstance(command, click.Group) and arguments:
            command = command.commands[arguments.pop(0)]
        command.make_context(name, arguments)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    for target in LINK.findall((TOP / document).read_text(encoding="utf-8")):
        assert target.startswith("http") or ((TOP / document).parent / target).exists(), target


def test_exit_codes_of_the_documents_are_the_programs() -> None:
    from localfin_models import errors

    codes = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type)} | {2, errors.INTERRUPTED}
    for document in CONVERT:
        table = re.findall(r"\| (\d+) \|$", (TOP / document).read_text(encoding="utf-8"), re.MULTILINE)
        assert {int(code) for code in table} <= codes
        assert {2, 3, 4, 5, 6, 130} <= {int(code) for code in table}
