"""What a family's forward pass has of its own. Data and small methods; Llama is the rule, the others the exceptions.

transformers' modelling code is the source: that is what was trained. llama.cpp runs some models differently: it has
no windows for Mistral, Mixtral, Qwen and Phi-3, knows EXAONE 4's windows and a Gemma's attention scale by the number of
layers, reads yarn's betas for none of these families, and takes Phi-3's long factors by its context, not the text's.
"""

from typing import Any, ClassVar

from localfin_convert.architectures import Family
from localfin_convert.architectures.exaone import Exaone, Exaone4
from localfin_convert.architectures.gemma import Gemma2, Gemma3
from localfin_convert.architectures.llama import Llama, Mistral
from localfin_convert.architectures.mixtral import Mixtral
from localfin_convert.architectures.phi3 import Phi3
from localfin_convert.architectures.qwen2 import Qwen2
from localfin_convert.architectures.qwen3 import Qwen3, Qwen3Moe
from localfin_convert.architectures.rope import Rope
from localfin_convert.reference.arithmetic import ACTIVATIONS
from localfin_models.errors import InputRefused
from localfin_models.language import _

_ALIASES = {"swish": "silu", "gelu_new": "gelu_pytorch_tanh"}


class Traits:
    """Names are those of modules below a layer's prefix; "" stands for a norm that the family lacks.

    Biases, norms of heads and a head of its own are there if the checkpoint has the tensors.
    """

    qkv: ClassVar[tuple[str, ...]] = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
    """What makes q, k and v, one after the other; likewise gate and up in `gate_up`."""
    out: ClassVar[str] = "self_attn.o_proj"
    gate_up: ClassVar[tuple[str, ...]] = ("mlp.gate_proj", "mlp.up_proj")
    down: ClassVar[str] = "mlp.down_proj"
    router: ClassVar[str] = ""
    """Chooses the experts; `{}` in `gate_up` and `down` stands for an expert's number."""
    head_norms: ClassVar[tuple[str, str]] = ("self_attn.q_norm", "self_attn.k_norm")
    before_attention: ClassVar[str] = "input_layernorm"
    after_attention: ClassVar[str] = ""
    before_mlp: ClassVar[str] = "post_attention_layernorm"
    after_mlp: ClassVar[str] = ""
    activation: ClassVar[str] = "silu"
    activation_key: ClassVar[str] = "hidden_act"
    embedding_scale: float = 1.0
    attention_cap: float | None = None
    """Scores are squashed to within this: cap * tanh(score / cap)."""
    logit_cap: float | None = None
    normalizes_experts: bool = True
    """Whether the chosen experts' probabilities are scaled to a sum of 1."""

    def __init__(self, family: Family) -> None:
        self.family, self.config = family, family.config
        self.scale = family.head_dim**-0.5
        """Of the attention scores."""
        self.rotated = family.head_dim
        """Values of a head that are rotated; the others pass."""
        named = str(self.config.get(self.activation_key, self.activation))
        if _ALIASES.get(named, named) != self.activation:
            raise InputRefused(
                _("config.json: {name} is {value!r}, but llama.cpp runs this family with {own!r}").format(
                    name=self.activation_key, value=named[:40], own=self.activation
                )
            )
        self.activate = ACTIVATIONS[self.activation]

    def window(self, layer: int) -> int | None:
        """How many positions a token of the layer sees, itself included; None for all."""
        return int(self.number("sliding_window")) if "sliding_window" in self.config else None

    def rope(self, layer: int) -> Rope | None:
        return self.family.rope

    def slides(self, layer: int, *, otherwise: bool) -> bool:
        """What `layer_types` says of the layer, if it is there."""
        kinds: object = self.config.get("layer_types")
        if isinstance(kinds, list) and len(kinds) == self.family.layers:
            return bool(kinds[layer] == "sliding_attention")
        return otherwise

    def number(self, name: str, default: float | None = None, least: float = 1e-12) -> float:
        """Of config.json. Raises InputRefused unless it is a number of `least` or more."""
        value: Any = self.config.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < 1e12:
            raise InputRefused(
                _("config.json: {name} is {value!r}, a positive number was expected").format(
                    name=name, value=str(value)[:40]
                )
            )
        return float(value)


class LlamaTraits(Traits):
    def window(self, layer: int) -> int | None:
        return None


class MixtralTraits(Traits):
    router = "block_sparse_moe.gate"
    gate_up = ("block_sparse_moe.experts.{}.w1", "block_sparse_moe.experts.{}.w3")
    down = "block_sparse_moe.experts.{}.w2"


class Qwen2Traits(Traits):
    def window(self, layer: int) -> int | None:
        if not self.config.get("use_sliding_window"):
            return None
        slides = self.slides(layer, otherwise=layer >= self.number("max_window_layers", 28, least=0))
        return int(self.number("sliding_window", 4096)) if slides else None


class Qwen3MoeTraits(Traits):
    router = "mlp.gate"
    gate_up = ("mlp.experts.{}.gate_proj", "mlp.experts.{}.up_proj")
    down = "mlp.experts.{}.down_proj"

    def __init__(self, family: Family) -> None:
        super().__init__(family)
        self.normalizes_experts = bool(self.config.get("norm_topk_prob"))

    def window(self, layer: int) -> int | None:
        return int(self.number("sliding_window", 4096)) if self.config.get("use_sliding_window") else None


class Gemma2Traits(Traits):
    after_attention = "post_attention_layernorm"
    before_mlp = "pre_feedforward_layernorm"
    after_mlp = "post_feedforward_layernorm"
    activation = "gelu_pytorch_tanh"
    activation_key = "hidden_activation"

    def __init__(self, family: Family) -> None:
        super().__init__(family)
        self.full_every = 2
        self.scale = self.number("query_pre_attn_scalar", 256) ** -0.5
        self.embedding_scale = family.hidden**0.5
        self.attention_cap = self._cap("attn_logit_softcapping")
        self.logit_cap = self._cap("final_logit_softcapping")

    def window(self, layer: int) -> int | None:
        slides = self.slides(layer, otherwise=(layer + 1) % self.full_every != 0)
        return int(self.number("sliding_window")) if slides else None

    def _cap(self, name: str) -> float | None:
        return self.number(name) if self.config.get(name) else None


class Gemma3Traits(Gemma2Traits):
    def __init__(self, family: Family) -> None:
        super().__init__(family)
        self.attention_cap = None  # in its configuration class, but not in its attention
        self.full_every = int(self.number("sliding_window_pattern", 6))
        assert isinstance(family, Gemma3)
        self.local = family.local_rope()

    def rope(self, layer: int) -> Rope | None:
        return self.family.rope if self.window(layer) is None else self.local


class Phi3Traits(Traits):
    qkv = ("self_attn.qkv_proj",)
    gate_up = ("mlp.gate_up_proj",)

    def __init__(self, family: Family) -> None:
        super().__init__(family)
        assert isinstance(family, Phi3)
        self.rotated = family.rotated


class ExaoneTraits(LlamaTraits):
    qkv = ("attn.attention.q_proj", "attn.attention.k_proj", "attn.attention.v_proj")
    out = "attn.attention.out_proj"
    gate_up = ("mlp.c_fc_0", "mlp.c_fc_1")
    down = "mlp.c_proj"
    activation_key = "activation_function"
    before_attention = "ln_1"
    before_mlp = "ln_2"


class Exaone4Traits(Traits):
    """Layers that see everything have no positions, unless no layer has a window."""

    before_attention = ""
    after_attention = "post_attention_layernorm"
    before_mlp = ""
    after_mlp = "post_feedforward_layernorm"

    def __init__(self, family: Family) -> None:
        super().__init__(family)
        assert isinstance(family, Exaone4)
        self.sliding = family.sliding() if "sliding_window" in self.config else None

    def window(self, layer: int) -> int | None:
        return super().window(layer) if self.sliding is not None and self.sliding[layer] else None

    def rope(self, layer: int) -> Rope | None:
        return self.family.rope if self.sliding is None or self.sliding[layer] else None


_TRAITS: dict[type[Family], type[Traits]] = {
    Llama: LlamaTraits,
    Mistral: Traits,
    Mixtral: MixtralTraits,
    Qwen2: Qwen2Traits,
    Qwen3: Qwen2Traits,
    Qwen3Moe: Qwen3MoeTraits,
    Gemma2: Gemma2Traits,
    Gemma3: Gemma3Traits,
    Phi3: Phi3Traits,
    Exaone: ExaoneTraits,
    Exaone4: Exaone4Traits,
}


def traits_of(family: Family) -> Traits:
    """Raises InputRefused for a number in config.json that is none."""
    return _TRAITS[type(family)](family)
