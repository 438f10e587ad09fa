"""The models on this machine: what each is, whether it fits, and which one answers."""

import shutil
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from localfin.described import describe
from localfin.engine.client import DEFAULT_CONTEXT
from localfin.engine.memory import estimate, free_memory
from localfin.text import clean_text
from localfin_models import catalog
from localfin_models.errors import LocalfinError
from localfin_models.gguf_header import check_gguf
from localfin_models.language import _
from localfin_models.manifest import manifest_path, verify_model
from localfin_tui.beside import beside
from localfin_tui.dialogs import AskLine
from localfin_tui.host import Phase
from localfin_tui.place import Place
from localfin_tui.topbar import size_words


class ModelsScreen(Place):
    NAME = "models"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "unload", "Unload", id="models.unload", key_display="u"),
        Binding("d", "default", "Default", id="models.default", key_display="d"),
        Binding("v", "verify", "Verify", id="models.verify", key_display="v"),
        Binding("i", "import", "Import", id="models.import", key_display="i"),
    ]

    def body(self) -> ComposeResult:
        with Horizontal(id="models"):
            yield OptionList(id="model-list", compact=True, markup=False)
            with VerticalScroll(id="model-facts"):
                yield Static("", id="facts-text", markup=False)
        yield Static("", id="model-state", markup=False)

    async def model_changed(self, phase: Phase) -> None:
        self._list()
        match phase:
            case "loading":
                self._state(_("Loading the model..."))
            case "ended":
                self._state(str(self.house.host.error))
            case "none":
                self._state(_("No model is loaded: choose one and press Enter."))
            case "ready":
                self._state(_("Enter loads the model chosen."))
        if not self.query_one(OptionList).has_focus:
            self.query_one(OptionList).focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "unload":
            return self.house.host.phase == "ready"
        return super().check_action(action, parameters)

    def _list(self) -> None:
        chosen = self._chosen()
        try:
            entries = catalog.list_models()
        except LocalfinError as error:
            self.say(str(error), error=True)
            return
        models = self.query_one(OptionList)
        models.clear_options()
        model = self.house.host.model
        for entry in entries:
            here = model is not None and model.path == entry.path.absolute()
            mark = (">" if here else " ") + ("*" if entry.default else " ")
            models.add_option(Option(Content(f"{mark} {clean_text(entry.name)}"), id=str(entry.path)))
        if not entries:
            self._state(_("no model is here yet; copy GGUF files to {folder}").format(folder=catalog.models_folder()))
            return
        at = next((n for n, entry in enumerate(entries) if entry.path == chosen), 0)
        models.highlighted = at

    def _chosen(self) -> Path | None:
        option = self.query_one(OptionList).highlighted_option
        return Path(option.id) if option and option.id else None

    @on(OptionList.OptionHighlighted)
    def _look(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        if event.option_id:
            beside(self, "facts", partial(_facts, Path(event.option_id)), self._show, self._wrong)

    def _show(self, facts: Content) -> None:
        self.query_one("#facts-text", Static).update(facts)

    @on(OptionList.OptionSelected)
    def _load(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        host = self.house.host
        if host.busy or host.phase == "loading":
            self.say(_("An answer is under way, or a model is loading. Try again when it is over."), error=True)
        elif event.option_id:
            host.use(Path(event.option_id))

    def action_unload(self) -> None:
        if self.house.host.busy:
            self.say(_("An answer is under way, or a model is loading. Try again when it is over."), error=True)
        else:
            self.house.host.unload()

    def action_default(self) -> None:
        if path := self._chosen():
            try:
                catalog.use_model(path)
            except LocalfinError as error:
                self.say(str(error), error=True)
            self._list()

    def action_verify(self) -> None:
        if path := self._chosen():
            self._state(_("Verifying: every byte is read..."))
            beside(self, "verify", partial(_verified, path), self._state, self._wrong)

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_import(self) -> None:
        line = await self.app.push_screen_wait(AskLine(_("Copy a GGUF file to the models of localfin"), ""))
        if line:
            self._state(_("Copying..."))
            beside(self, "import", partial(_imported, Path(line).expanduser()), self._has_come, self._wrong)

    def _has_come(self, path: Path) -> None:
        self._list()
        self._state(_("{path} is here now").format(path=clean_text(str(path))))

    def _state(self, words: str) -> None:
        self.query_one("#model-state", Static).update(clean_text(words))

    def _wrong(self, error: LocalfinError) -> None:
        self._state(str(error))


def _facts(path: Path) -> Content:
    """Raises LocalfinError."""
    header = check_gguf(path)
    need = estimate(header, min(header.n_ctx_train or DEFAULT_CONTEXT, DEFAULT_CONTEXT))
    free, facts, names = free_memory(), describe(path).items(), _fact_words()
    memory = size_words(need.resident_bytes)
    fits = _("unknown") if free is None else _("yes") if need.resident_bytes <= free else _("no")
    lines = [
        (_("memory"), _("{size} for {n} tokens").format(size=memory, n=f"{need.n_ctx:,}")),
        (_("free"), size_words(free) if free is not None else _("unknown")),
        (_("fits"), fits),
        (_("verified"), _("press v") if manifest_path(path).is_file() else _("no manifest beside it")),
        *((names.get(key, key), f"{value:,}" if isinstance(value, int) else str(value)) for key, value in facts),
    ]
    return Content("\n").join(Content.assemble((f"{name}  ", "$quiet"), clean_text(value)) for name, value in lines)


def _fact_words() -> dict[str, str]:
    """What `describe` calls by keys for scripts, in the user's words."""
    return {
        "name": _("name"),
        "path": _("file"),
        "architecture": _("architecture"),
        "quantization": _("quantization"),
        "size_bytes": _("bytes"),
        "parameters": _("parameters"),
        "layers": _("layers"),
        "n_ctx_train": _("context of its training"),
        "vocabulary": _("vocabulary"),
        "license": _("licence"),
        "limits": _("limits"),
        "base": _("base"),
        "adapters": _("adapters"),
        "made_by": _("made by"),
        "manifest": _("manifest"),
        "sha256": "SHA-256",
    }


def _verified(path: Path) -> str:
    """Raises LocalfinError."""
    manifest = verify_model(path)
    return _("{path} is what was made on {made}: {size:,.1f} MB, every byte as in its manifest").format(
        path=path, made=manifest.made, size=manifest.n_bytes / 1e6
    )


def _imported(path: Path) -> Path:
    """Checked, then copied whole or not at all, with its manifest. Raises LocalfinError."""
    check_gguf(path)
    folder = catalog.models_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = folder / path.name
    if target.exists():
        raise LocalfinError(_("{path} exists already").format(path=target))
    beside = target.with_name(f"{target.name}.part")
    try:
        shutil.copyfile(path, beside)
        if manifest_path(path).is_file():
            shutil.copyfile(manifest_path(path), manifest_path(target))
        beside.replace(target)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise LocalfinError(_("{path} cannot be written: {error}").format(path=target, error=error.strerror)) from None
    return target
