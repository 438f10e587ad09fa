"""The command palette: every key that does something now, found by what it does."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from textual.command import DiscoveryHit, Hit, Hits, Provider

from localfin_models.language import _
from localfin_tui.keys import KEYS


class KeyCommands(Provider):
    """The active bindings of the screen below the palette."""

    async def discover(self) -> Hits:
        for words, action in self._commands():
            yield DiscoveryHit(words, action)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for words, action in self._commands():
            score = matcher.match(words)
            if score > 0:
                yield Hit(score, matcher.highlight(words), action)

    def _commands(self) -> list[tuple[str, Callable[[], Coroutine[Any, Any, bool]]]]:
        found: dict[str, Callable[[], Coroutine[Any, Any, bool]]] = {}
        for node, binding, enabled, _tooltip in self.screen.active_bindings.values():
            key = KEYS.get(binding.id or "")
            if key is not None and enabled and key.id != "app.commands":
                found.setdefault(_(key.long), partial(self.app.run_action, binding.action, node))
        return list(found.items())
