"""A verification in words."""

from localfin_convert.verify.logits import Distance
from localfin_convert.verify.verification import Verification
from localfin_models.language import _


def verification_text(found: Verification) -> str:
    """One line a comparison."""
    tokens, logits = found.tokens, found.logits
    lines = [
        _("tokens    {texts} texts and {added} added tokens as the source's tokenizer ({library}) splits them").format(
            texts=tokens.texts - sum(one.texts for one in tokens.limitations),
            added=tokens.added,
            library=tokens.library,
        ),
        *(
            _("          BUT {count} texts otherwise, such as {example!r}: {what}").format(
                count=one.texts, example=one.example[:40], what=one.what
            )
            for one in tokens.limitations
        ),
        _("template  {count} conversations as the source's").format(count=found.conversations)
        if found.conversations
        else _("template  none, as the source"),
        _(
            "logits    {layers} of {of_layers} layers, {positions} positions of {prompts} prompts: llama.cpp is within "
            "{noise:.2%} of what the file's weights give in float32 (limit {limit:.2%})"
        ).format(
            layers=logits.layers,
            of_layers=logits.of_layers,
            positions=logits.positions,
            prompts=logits.prompts,
            noise=logits.noise,
            limit=logits.noise_limit,
        ),
        _("          from the merged model in float32: {distance}").format(distance=_distance(logits.llama)),
        _("          of which quantization alone costs: {distance}").format(distance=_distance(logits.quantization)),
    ]
    if logits.adapter is not None:
        lines.append(_("adapter   from the base to the merged model: {distance}").format(
            distance=_distance(logits.adapter)))  # fmt: skip
    return "\n".join([*lines, _("verified in {seconds:,.1f} s").format(seconds=found.seconds)])


def _distance(found: Distance) -> str:
    return _("KL mean {mean:.2g}, max {most:.2g} nats; same first choice {share:.0%}").format(
        mean=found.kl_mean, most=found.kl_max, share=found.same_choice
    )
