"""Work on a thread for a screen: what comes of it is told to the screen, and an error as one of ours."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from textual.screen import Screen
from textual.worker import get_current_worker

from localfin_models.errors import LocalfinError
from localfin_tui.host import ours

Done = TypeVar("Done")


class Stopped(LocalfinError):  # noqa: N818 - reads as what happened
    """The user stopped the work; what it has brought so far stays."""


def beside(
    screen: Screen[None],
    name: str,
    work: Callable[[], Done],
    then: Callable[[Done], None],
    wrong: Callable[[LocalfinError], None],
) -> None:
    """The newest work of a name takes the place of an earlier one, whose end nobody hears."""

    def run() -> None:
        worker = get_current_worker()
        try:
            told: Callable[[], None] = partial(then, work())
        except Exception as error:  # noqa: BLE001 - on a thread nobody else would hear of it
            told = partial(wrong, ours(error))
        if not worker.is_cancelled:
            screen.app.call_from_thread(told)

    screen.run_worker(run, name=name, group=name, thread=True, exclusive=True, exit_on_error=False)
