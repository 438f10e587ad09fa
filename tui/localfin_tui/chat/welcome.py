"""What an empty chat shows: a greeting, and three questions to begin with."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from localfin_models.language import _


def examples() -> list[str]:
    return [
        _("What is DSR?"),
        _("How much is 10,000,000 won after 2 years at 3% compounded monthly?"),
        _("What types of suspicious transactions are there?"),
    ]


class Welcome(Vertical):
    class Chosen(Message):
        """An example was chosen, to be edited or sent."""

        def __init__(self, question: str) -> None:
            super().__init__()
            self.question = question

    def __init__(self, sealed: bool | None) -> None:
        super().__init__(id="welcome")
        self._sealed = sealed

    def compose(self) -> ComposeResult:
        yield Static(_("Good to see you. What would you like to know?"), classes="title", markup=False)
        yield Static(_promise(self._sealed), classes="words", markup=False)
        yield Static(_("For example (Tab, arrow keys, Enter):"), classes="hint", markup=False)
        yield OptionList(*(Option(Content(question)) for question in examples()), id="examples", compact=True)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.post_message(self.Chosen(examples()[event.option_index]))


def _promise(sealed: bool | None) -> str:
    if sealed:
        return _("A model on this machine answers. The kernel keeps this program off the network.")
    return _("A model on this machine answers.")
