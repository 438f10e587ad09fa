"""One GGUF in llama.cpp: tokenize, prefill, decode. Runs in the sealed child; knows nothing of chats or messages."""

import codecs
import ctypes
import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from localfin.engine.choosing import Chooser
from localfin.engine.errors import ContextFull
from localfin.engine.events import FinishReason, Sampling
from localfin.engine.shifting import SINK, common_beginning, gap, oldest, take_out
from localfin_models.errors import InputRefused, LocalfinError, NotEnough
from localfin_models.language import _
from localfin_models.llama_binding import Log, abort_callback

BATCH = 512
"""Tokens in one prefill step: how often progress is told."""
_TOP_K = 40  # llama.cpp's own default; it spares the later samplers a sort of the whole vocabulary
_PENALTY_WINDOW = 64
_RANDOM_SEED = 0xFFFFFFFF  # LLAMA_DEFAULT_SEED: drawn from the machine's randomness
_ABORTED = 2
_USUAL_TOKEN = 8
"""Bytes. Up to here the longest token of a vocabulary is not looked for, which takes a tenth of a second."""


@dataclass(slots=True)
class Timing:
    """Filled while one answer is made; seconds."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    prefill_s: float = 0.0
    decode_s: float = 0.0
    reason: FinishReason = "stop"


class Llama:
    """A loaded model with one context. `cancelled` is the C string that stops it when non-empty.

    `generate` uses sequence 0; the context has room for `sequences` more beside it.
    Nothing but adapters is ever freed: its process ends with it.
    """

    def __init__(
        self, binding: Any, log: Log, files: Sequence[Path], n_ctx: int, threads: int, gpu_layers: int, cancelled: Any,
        sequences: int = 0,
    ) -> None:  # fmt: skip
        self.binding = binding
        self._cancelled = cancelled
        self._abort = abort_callback(binding)
        self.log = log
        self._adapters: dict[str, Any] = {}
        """Those in memory, in use or about to be."""
        self.held: list[int] = []
        """The tokens whose keys and values sequence 0 holds, in order."""
        log.clear()
        self._model = self._load_model(files, gpu_layers, log)
        self.context = self._make_context(n_ctx, threads, sequences, log)
        self.vocab = binding.llama_model_get_vocab(self._model)
        self.memory = binding.llama_get_memory(self.context)
        self._strip_first = binding.llama_vocab_type(self.vocab) == binding.LLAMA_VOCAB_TYPE_SPM
        kinds = (binding.LLAMA_VOCAB_TYPE_SPM, binding.LLAMA_VOCAB_TYPE_BPE)
        self._spells_whole = binding.llama_vocab_type(self.vocab) in kinds
        self.n_ctx = int(binding.llama_n_ctx(self.context))

    @property
    def chat_template(self) -> str | None:
        template = self.binding.llama_model_chat_template(self._model, None)
        return template.decode("utf-8", "replace") if template else None

    def token_text(self, which: str) -> str:
        """The spelling of the `bos` or `eos` token; empty where the vocabulary has none."""
        token = getattr(self.binding, f"llama_vocab_{which}")(self.vocab)
        if token < 0:
            return ""
        return (self.binding.llama_vocab_get_text(self.vocab, token) or b"").decode("utf-8", "replace")

    def tokenize(self, text: str, *, add_bos: bool, special: bool = True) -> list[int]:
        """Token ids. `add_bos` adds one where the model wants it; `special` reads control tokens spelled in `text`."""
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        tokens = (self.binding.llama_token * room)()
        count = self.binding.llama_tokenize(self.vocab, data, len(data), tokens, room, add_bos, special)
        if count < 0:
            raise LocalfinError(_("the text could not be split into tokens"))
        return list(tokens[:count])

    def refuse_if_too_long(self, prompt: str) -> None:
        """Raise ContextFull where not even the longest tokens could fit `prompt` in: tokenizing it may take minutes.

        White space is left out of the count, which some control tokens swallow. Other kinds of vocabulary than SPM and
        BPE may drop more, and are not judged.
        """
        if not self._spells_whole:
            return
        count = len("".join(prompt.split()).encode("utf-8", "replace"))
        if count > self.n_ctx * _USUAL_TOKEN and count > self.n_ctx * self._longest_token():
            reason = _("the prompt has more than {n_ctx} tokens, which is all the context holds: shorten it")
            raise ContextFull(reason.format(n_ctx=self.n_ctx))

    def _longest_token(self) -> int:
        """Bytes. The spelling of a token is never shorter than the text it stands for."""
        spell, vocab = self.binding.llama_vocab_get_text, self.vocab
        return max(len(spell(vocab, token) or b"") for token in range(self.binding.llama_vocab_n_tokens(vocab)))

    def load_adapter(self, name: str, path: Path) -> None:
        """Into memory, under a name for `use_adapters`. Raises InputRefused with llama.cpp's reason."""
        self.log.clear()
        adapter = self.binding.llama_adapter_lora_init(self._model, os.fsencode(path))
        if not adapter:
            reason = self.log.reason() or _("no reason given")
            raise InputRefused(_("llama.cpp cannot load the adapter: {reason}").format(reason=reason))
        self._adapters[name] = adapter

    def use_adapters(self, scales: Mapping[str, float]) -> None:
        """Exactly these from now on, by name, each with its scale. The others in memory are freed."""
        b, count = self.binding, len(scales)
        chosen = (b.llama_adapter_lora_p_ctypes * count)(*(self._adapters[name] for name in scales))
        b.llama_set_adapters_lora(self.context, chosen, count, (ctypes.c_float * count)(*scales.values()))
        for name in self._adapters.keys() - scales.keys():
            b.llama_adapter_lora_free(self._adapters.pop(name))
        self.forget()  # what the context holds was computed with the adapters before

    def forget(self) -> None:
        """Empty the context."""
        self.binding.llama_memory_clear(self.memory, True)
        self.held.clear()

    def refuse_if_full(self, tokens: int) -> None:
        """Raise ContextFull where a prompt of so many leaves no room for an answer."""
        if tokens >= self.n_ctx:
            reason = _("the prompt has {tokens} tokens, the context holds {n_ctx}: shorten it, or enlarge --n-ctx")
            raise ContextFull(reason.format(tokens=tokens, n_ctx=self.n_ctx))

    @cached_property
    def chooser(self) -> Chooser:
        return Chooser(self)

    def generate(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        progress: Callable[[int, int], None],
        timing: Timing,
        beginning: int = 0,
        shifted: Callable[[int], None] = lambda _tokens: None,
    ) -> Generator[str]:
        """The answer to `prompt` in pieces of whole characters; `timing` is complete when it ends.

        Where the context is full, the oldest tokens after the first `beginning` fall out, and `shifted` is told how
        many. Raises ContextFull before anything is computed if the prompt leaves no room for an answer, InputRefused
        for a grammar that is none.
        """
        self.refuse_if_full(len(prompt))
        grammar = self.chooser.grammar(sampling.grammar)
        chain = self._make_chain(sampling)
        try:
            timing.prompt_tokens = len(prompt)
            started = time.perf_counter()
            complete = self.prefill(prompt, progress, beginning=beginning)
            timing.prefill_s += time.perf_counter() - started
            if not complete:
                timing.reason = "cancelled"
                return
            started = time.perf_counter()
            try:
                choose = partial(self._choose, chain, grammar)
                yield from self._decode(choose, sampling.max_tokens, timing, max(beginning, SINK), shifted)
            finally:
                timing.decode_s = time.perf_counter() - started
        finally:
            self.binding.llama_sampler_free(chain)
            if grammar is not None:
                self.binding.llama_sampler_free(grammar)

    def prefill(
        self, prompt: Sequence[int], progress: Callable[[int, int], None], *, beginning: int = 0,
        until: int | None = None,
    ) -> bool:  # fmt: skip
        """Compute what sequence 0 does not hold yet of the first `until` tokens, at least the last of them.

        Turns that fell out of the prompt after the first `beginning` tokens are taken out, and the rest is moved up.
        False if it was cancelled.
        """
        total = len(prompt)
        end = total if until is None else until
        done = self._reuse(prompt[:end], beginning)
        progress(done, total)
        tokens = (self.binding.llama_token * total)(*prompt)
        while done < end:
            # The same cuts whether the beginning was kept or not: sums in other cuts are rounded otherwise.
            count = min(BATCH, (beginning if done < beginning else end) - done)
            start = ctypes.cast(
                ctypes.byref(tokens, done * ctypes.sizeof(self.binding.llama_token)), self.binding.llama_token_p
            )
            if not self.compute(self.binding.llama_batch_get_one(start, count)):
                return False
            self.held.extend(prompt[done : done + count])
            done += count
            progress(done, total)
        return True

    def _reuse(self, prompt: Sequence[int], beginning: int) -> int:
        """Keep the longest common beginning of what was computed before and `prompt`; returns its length."""
        same = common_beginning(self.held, prompt[:-1])
        # Only behind a beginning that stays: what a document said must not reach the answer about another.
        if 0 < beginning <= same and (lost := gap(self.held, prompt[:-1], same)) and take_out(self, same, lost):
            same = common_beginning(self.held, prompt[:-1])
        # Some memories (recurrent, sliding window) cannot go back to a position: then start over.
        if not self.binding.llama_memory_seq_rm(self.memory, 0, same, -1):
            self.binding.llama_memory_clear(self.memory, True)
            same = 0
        del self.held[same:]
        return same

    def compute(self, batch: Any) -> bool:
        """True when done, False when cancelled."""
        if self._cancelled[0] != b"\x00":
            return False
        answer = self.binding.llama_decode(self.context, batch)
        if answer == 0:
            return True
        # What an aborted or failed step left half done is taken out again.
        if not self.binding.llama_memory_seq_rm(self.memory, 0, len(self.held), -1):
            self.binding.llama_memory_clear(self.memory, True)
            self.held.clear()
        if answer == _ABORTED:
            return False
        raise LocalfinError(_("llama.cpp could not compute this step (code {code})").format(code=answer))

    def _choose(self, chain: Any, grammar: Any) -> int:
        """The next token, which may be one that ends the answer; -1 where a grammar allows no more."""
        if grammar is None:
            return int(self.binding.llama_sampler_sample(chain, self.context, -1))
        chosen = self.chooser.choose(grammar, -1, chain)
        return -1 if chosen is None else chosen

    def _decode(
        self, choose: Callable[[], int], max_tokens: int | None, timing: Timing, beginning: int,
        shifted: Callable[[int], None],
    ) -> Iterator[str]:  # fmt: skip
        b, vocab = self.binding, self.vocab
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        token = (b.llama_token * 1)()
        batch = b.llama_batch_get_one(token, 1)
        buffer = ctypes.create_string_buffer(256)
        limit = self.n_ctx if max_tokens is None else max_tokens
        while timing.completion_tokens < limit:
            token[0] = choose()
            if token[0] < 0 or b.llama_vocab_is_eog(vocab, token[0]):
                timing.reason = "stop"
                return
            strip = 1 if self._strip_first and timing.completion_tokens == 0 else 0
            timing.completion_tokens += 1
            text = decoder.decode(self.piece(token[0], buffer, strip))
            if text:
                yield text
            if timing.completion_tokens < limit:
                lost = oldest(len(self.held), beginning) if len(self.held) >= self.n_ctx else 0
                if len(self.held) - lost >= self.n_ctx:
                    break
                if lost:
                    shifted(lost)
                if (lost and not self._lose(beginning, lost)) or not self.compute(batch):
                    timing.reason = "cancelled"
                    return
                self.held.append(token[0])
        # Bytes of an unfinished character stay in the decoder: whole characters only.
        timing.reason = "length"

    def _lose(self, start: int, count: int) -> bool:
        """Take tokens out of what the context holds, and compute anew what cannot be moved up. False: cancelled."""
        if take_out(self, start, count):
            return True
        left = self.held[:start] + self.held[start + count :]
        self.forget()
        return self.prefill(left, lambda _done, _total: None)

    def piece(self, token: int, buffer: Any, strip: int) -> bytes:
        size = self.binding.llama_token_to_piece(self.vocab, token, buffer, len(buffer), strip, False)
        if size < 0:
            buffer = ctypes.create_string_buffer(-size)
            size = self.binding.llama_token_to_piece(self.vocab, token, buffer, len(buffer), strip, False)
        return bytes(buffer[: max(size, 0)])

    def _make_chain(self, sampling: Sampling) -> Any:
        b = self.binding
        chain = b.llama_sampler_chain_init(b.llama_sampler_chain_default_params())
        steps: list[Any] = []
        if sampling.repeat_penalty != 1.0:
            size = b.llama_vocab_n_tokens(self.vocab)
            steps.append(b.llama_sampler_init_penalties(size, _PENALTY_WINDOW, sampling.repeat_penalty, 0.0, 0.0))
        if sampling.temperature <= 0:
            steps.append(b.llama_sampler_init_greedy())
        else:
            steps.append(b.llama_sampler_init_top_k(_TOP_K))
            steps.append(b.llama_sampler_init_top_p(sampling.top_p, 1))
            steps.append(b.llama_sampler_init_min_p(sampling.min_p, 1))
            steps.append(b.llama_sampler_init_temp(sampling.temperature))
            seed = _RANDOM_SEED if sampling.seed is None else sampling.seed & 0xFFFFFFFF
            steps.append(b.llama_sampler_init_dist(seed))
        for step in steps:
            b.llama_sampler_chain_add(chain, step)
        return chain

    def _load_model(self, files: Sequence[Path], gpu_layers: int, log: Log) -> Any:
        path, names = files[0], (ctypes.c_char_p * len(files))(*map(os.fsencode, files))
        params = self.binding.llama_model_default_params()
        params.n_gpu_layers = gpu_layers
        model = self.binding.llama_model_load_from_splits(names, len(files), params)
        if not model:
            reason = log.reason() or _("no reason given")
            raise InputRefused(_("llama.cpp cannot load {path}: {reason}").format(path=path, reason=reason))
        if not self.binding.llama_model_has_decoder(model) or self.binding.llama_model_has_encoder(model):
            raise InputRefused(_("{path} is no model that writes text").format(path=path))
        return model

    def _make_context(self, n_ctx: int, threads: int, sequences: int, log: Log) -> Any:
        params = self.binding.llama_context_default_params()
        params.n_ctx = n_ctx
        params.n_batch = params.n_ubatch = min(BATCH, n_ctx)
        params.n_threads = params.n_threads_batch = threads
        if sequences:
            # One buffer for all, in which cells can belong to several sequences: a beginning is shared, not copied.
            params.n_seq_max, params.kv_unified = sequences + 1, True
        params.abort_callback = self._abort
        params.abort_callback_data = ctypes.cast(self._cancelled, ctypes.c_void_p)
        context = self.binding.llama_init_from_model(self._model, params)
        if not context:
            reason = log.reason() or _("no reason given")
            raise NotEnough(
                _("no memory for a context of {n_ctx} tokens ({reason}); load with a smaller --n-ctx").format(
                    n_ctx=n_ctx, reason=reason
                )
            )
        return context
