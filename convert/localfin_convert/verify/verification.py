"""A converted file beside its source: header, chat template, tokens, weights, logits. Fails, or says what it found."""

import time
from dataclasses import dataclass
from typing import Any

from localfin_convert.architectures import family_of
from localfin_convert.plan import Plan
from localfin_convert.prompt_format import resolve_prompt_format
from localfin_convert.read.checkpoint import read_json
from localfin_convert.reference import Reference
from localfin_convert.request import Request
from localfin_convert.verify.header import compare_header
from localfin_convert.verify.llama import open_llama
from localfin_convert.verify.logits import Logits, Stage, compare_logits
from localfin_convert.verify.source_tokenizer import open_source_tokenizer
from localfin_convert.verify.template import compare_template
from localfin_convert.verify.tokens import Tokens, compare_ends, compare_tokens
from localfin_convert.write.output import Output
from localfin_models.errors import InputRefused, IntegrityFailed
from localfin_models.gguf_header import check_gguf
from localfin_models.language import _


@dataclass(frozen=True, slots=True)
class Verification:
    """What was compared, and what was found."""

    tokens: Tokens
    conversations: int
    """Rendered by both chat templates to the same prompts; 0 where the source has none."""
    logits: Logits
    seconds: float


class Verifier:
    """Made before anything is written: raises InputRefused for a model whose forward pass is not known."""

    def __init__(self, asked: Request, plan: Plan, threads: int) -> None:
        self._asked, self._plan, self._threads = asked, plan, threads
        self._reference = Reference(plan.merge.checkpoint)

    def verify(self, output: Output, stage: Stage | None = None) -> Verification:
        """What was written after the plan, before it has its name. Raises IntegrityFailed, saying what differs how."""
        started = time.monotonic()
        try:
            return self._verify(output, stage or _silent, started)
        except InputRefused as refusal:  # of what we wrote ourselves
            raise IntegrityFailed(str(refusal)) from None

    def _verify(self, output: Output, stage: Stage, started: float) -> Verification:
        plan, config = self._plan, self._plan.merge.checkpoint.config
        stage(_("tokens and chat template"))
        source = open_source_tokenizer(plan.merge.tokenizer, str(config.get("model_type", "")))
        with open_llama(*output.paths, threads=self._threads) as llama:
            chat = llama.chat()  # which loads it: the tensors have the shapes that llama.cpp expects
            compare_header(check_gguf(output.paths[0]), output, plan, self._reference)
            compare_ends(chat, source, _named_ids(plan))
            prompts = compare_template(chat, source, self._chosen_template())
            tokens = compare_tokens(
                llama, source, prompts, vocab_size=family_of(config).vocab_size, has_scores=source.has_scores
            )
            logits = compare_logits(plan, self._reference, output, llama, stage)
        return Verification(tokens, len(prompts), logits, time.monotonic() - started)

    def _chosen_template(self) -> str | None:
        asked = self._asked
        return resolve_prompt_format(asked.prompt_format, asked.base, [one.folder for one in asked.adapters])


def _silent(_stage: str) -> None:
    """Where nobody asked."""


def _named_ids(plan: Plan) -> dict[str, set[int]]:
    """The tokens that config.json and generation_config.json name: one, or a list."""
    checkpoint = plan.merge.checkpoint
    generation = checkpoint.folder / "generation_config.json"
    found: dict[str, set[int]] = {}
    for kind in ("bos", "eos"):
        settings: list[dict[str, Any]] = [checkpoint.config, read_json(generation) if generation.is_file() else {}]
        named = [setting.get(f"{kind}_token_id") for setting in settings]
        ids = [token for value in named for token in (value if isinstance(value, list) else [value])]
        found[kind] = {token for token in ids if type(token) is int}
    return found
