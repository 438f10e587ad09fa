"""`localfin calc table`: a question about a table of a file."""

from pathlib import Path

import click

from localfin.commands.computed import show
from localfin_models.language import _


@click.command("table", short_help=_("Answer a question about a table in a file."), help=_(
    "Answers QUESTION by running over the rows of FILE, and shows the query: sums, counts, averages, the highest and "
    "lowest, shares, differences, growth, by group, for some rows or times."
))  # fmt: skip
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("question")
@click.option(
    "--lang", type=click.Choice(["ko", "en"]), help=_("The language of the result; the question's if left out.")
)
@click.option("--json", "as_json", is_flag=True, help=_("Print one JSON object instead of sentences."))
def table(file: Path, question: str, lang: str | None, as_json: bool) -> None:
    from localfin.tables import asked, tables_of  # no other calculation pays for it

    found = [answer for one in tables_of(file) if (answer := asked(question, one, lang)) is not None]
    if not found:
        raise click.UsageError(_("this question was not understood as one about the table"))
    if len(found) > 1:
        places = ", ".join(answer.source for answer in found)
        raise click.UsageError(_("several tables have an answer: {places}").format(places=places))
    show(found[0], as_json)
