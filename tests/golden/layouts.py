"""Names and shapes of each architecture's tensors, as its published checkpoints store them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.golden.cases import Case

Shapes = dict[str, tuple[int, ...]]


def shapes(case: "Case") -> Iterator[tuple[str, tuple[int, ...]]]:
    """Tensor names and shapes (rows, columns), in the sorted order in which real checkpoints store them."""
    stem = "transformer" if case.architecture == "exaone" else "model"
    embedding, norm, layers = ("wte", "ln_f", "h") if stem == "transformer" else ("embed_tokens", "norm", "layers")
    found: Shapes = {
        f"{stem}.{embedding}.weight": (case.vocab_size, case.hidden),
        f"{stem}.{norm}.weight": (case.hidden,),
    }
    if not case.tied:
        found["lm_head.weight"] = (case.vocab_size, case.hidden)
    for layer in range(case.layers):
        for name, shape in (_attention(case) | _feed_forward(case) | _norms(case)).items():
            found[f"{stem}.{layers}.{layer}.{name}"] = shape
    yield from sorted(found.items())


def embedding(case: "Case") -> str:
    """The module of the input embedding."""
    return "transformer.wte" if case.architecture == "exaone" else "model.embed_tokens"


def _attention(case: "Case") -> Shapes:
    default = 128 if case.architecture == "qwen3" else case.hidden // case.heads
    head = case.config.get("head_dim") or default
    q, kv = case.heads * head, case.kv_heads * head
    out = {"o_proj": (case.hidden, q)}
    projections = {"q_proj": (q, case.hidden), "k_proj": (kv, case.hidden), "v_proj": (kv, case.hidden)}
    if case.architecture == "phi3":
        projections = {"qkv_proj": (q + 2 * kv, case.hidden)}
    if case.architecture == "exaone":
        out = {"out_proj": (case.hidden, q)}
        return {f"attn.attention.{name}.weight": shape for name, shape in (projections | out).items()}
    found: Shapes = {f"self_attn.{name}.weight": shape for name, shape in (projections | out).items()}
    if case.architecture == "qwen2":
        found |= {f"self_attn.{name}.bias": shape[:1] for name, shape in projections.items()}
    if case.architecture in ("qwen3", "qwen3_moe", "gemma3_text", "exaone4"):
        found |= {f"self_attn.{side}_norm.weight": (head,) for side in "qk"}
    return found


def _feed_forward(case: "Case") -> Shapes:
    wide, narrow = (case.intermediate, case.hidden), (case.hidden, case.intermediate)
    if case.architecture == "phi3":
        return {"mlp.gate_up_proj.weight": (2 * case.intermediate, case.hidden), "mlp.down_proj.weight": narrow}
    if case.architecture == "exaone":
        return {"mlp.c_fc_0.weight": wide, "mlp.c_fc_1.weight": wide, "mlp.c_proj.weight": narrow}
    plain: Shapes = {"gate_proj": wide, "up_proj": wide, "down_proj": narrow}
    if not case.experts:
        return {f"mlp.{name}.weight": shape for name, shape in plain.items()}
    stem, names = "mlp", plain
    if case.architecture == "mixtral":
        stem, names = "block_sparse_moe", {"w1": wide, "w2": narrow, "w3": wide}
    else:
        width = case.config["moe_intermediate_size"]
        names = {"gate_proj": (width, case.hidden), "up_proj": (width, case.hidden), "down_proj": (case.hidden, width)}
    found: Shapes = {f"{stem}.gate.weight": (case.experts, case.hidden)}
    for expert in range(case.experts):
        found |= {f"{stem}.experts.{expert}.{name}.weight": shape for name, shape in names.items()}
    return found


def _norms(case: "Case") -> Shapes:
    names = {
        "exaone": ("ln_1", "ln_2"),
        "exaone4": ("post_attention_layernorm", "post_feedforward_layernorm"),
    }.get(case.architecture, ("input_layernorm", "post_attention_layernorm"))
    if case.architecture.startswith("gemma"):
        names += ("pre_feedforward_layernorm", "post_feedforward_layernorm")
    return {f"{name}.weight": (case.hidden,) for name in names}
