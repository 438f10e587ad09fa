"""Which licences of models forbid or restrict use, by the names the Hugging Face Hub gives them. No legal advice.

What is known here is only what a user must hear before relying on a model; what a licence says, its text says.
"""

import re
from dataclasses import dataclass
from enum import Enum

from localfin_models.language import _


class Limit(Enum):
    """What a licence keeps from those who use the model."""

    NON_COMMERCIAL = "non-commercial"
    NO_DERIVATIVES = "no-derivatives"
    CONDITIONS = "conditions"
    UNKNOWN = "unknown"
    """A licence that is not known here."""


_CREATIVE_COMMONS = "https://creativecommons.org/licenses/"
_RAIL = "https://www.licenses.ai/ai-licenses"
_LIMITED: tuple[tuple[str, tuple[Limit, ...], str], ...] = (
    (r"cc-by-nc-nd(-\d.*)?", (Limit.NON_COMMERCIAL, Limit.NO_DERIVATIVES), _CREATIVE_COMMONS),
    (r"cc-by-nc(-sa)?(-\d.*)?", (Limit.NON_COMMERCIAL,), _CREATIVE_COMMONS),
    (r"cc-by-nd(-\d.*)?", (Limit.NO_DERIVATIVES,), _CREATIVE_COMMONS),
    (r"llama(-license)?", (Limit.NON_COMMERCIAL,), "https://ai.meta.com/blog/large-language-model-llama-meta-ai/"),
    (r"llama-?2(-.*)?", (Limit.CONDITIONS,), "https://ai.meta.com/llama/license/"),
    (r"llama-?3(-community.*)?", (Limit.CONDITIONS,), "https://www.llama.com/llama3/license/"),
    (r"llama-?3\.1(-.*)?", (Limit.CONDITIONS,), "https://www.llama.com/llama3_1/license/"),
    (r"llama-?3\.2(-.*)?", (Limit.CONDITIONS,), "https://www.llama.com/llama3_2/license/"),
    (r"llama-?3\.3(-.*)?", (Limit.CONDITIONS,), "https://www.llama.com/llama3_3/license/"),
    (r"llama-?4(-.*)?", (Limit.CONDITIONS,), "https://www.llama.com/llama4/license/"),
    (r"gemma", (Limit.CONDITIONS,), "https://ai.google.dev/gemma/terms"),
    (r"exaone(-.*)?", (Limit.NON_COMMERCIAL,),
     "https://huggingface.co/LGAI-EXAONE/EXAONE-3.5-7.8B-Instruct/blob/main/LICENSE"),
    (r"deepseek(-license)?", (Limit.CONDITIONS,),
     "https://github.com/deepseek-ai/DeepSeek-LLM/blob/main/LICENSE-MODEL"),
    (r"(qwen|tongyi-qianwen)-research", (Limit.NON_COMMERCIAL,),
     "https://huggingface.co/Qwen/Qwen2.5-3B-Instruct/blob/main/LICENSE"),
    (r"qwen|tongyi-qianwen", (Limit.CONDITIONS,), "https://huggingface.co/Qwen/Qwen2.5-72B-Instruct/blob/main/LICENSE"),
    (r"mrl|mistral(-ai)?-research-licen[cs]e", (Limit.NON_COMMERCIAL,), "https://mistral.ai/licenses/MRL-0.1.md"),
    (r"mnpl|mistral(-ai)?-non-production-licen[cs]e", (Limit.NON_COMMERCIAL,),
     "https://mistral.ai/licenses/MNPL-0.1.md"),
    (r"(creativeml-|bigscience-|bigcode-)?openrail(\+\+|-m)?|bigscience-bloom-rail-1\.0", (Limit.CONDITIONS,), _RAIL),
    (r"hyperclovax-?seed", (Limit.CONDITIONS,),
     "https://huggingface.co/naver-hyperclovax/HyperCLOVAX-SEED-Text-Instruct-1.5B/blob/main/LICENSE"),
    (r"fair-noncommercial-research-license|intel-research|apple-amlr|deepfloyd-if-license", (Limit.NON_COMMERCIAL,),
     "https://huggingface.co/docs/hub/repositories-licenses"),
)  # fmt: skip
"""Pattern of the name, what it limits, where that can be read."""
_OPEN = re.compile(
    r"apache-2\.0|mit|bsd(-.*)?|isc|zlib|unlicense|wtfpl|cc0-1\.0|cc-by(-sa)?-\d\.\d|(a|l)?gpl(-.*)?|mpl-2\.0|afl-3\.0"
    r"|artistic-2\.0|bsl-1\.0|ecl-2\.0|epl-[12]\.0|eupl-1\.[12]|ms-pl|ncsa|osl-3\.0|postgresql|odc-by|odbl|pddl|cdla-.*"
)


@dataclass(frozen=True, slots=True)
class Licence:
    """As a model card has it."""

    identifier: str
    """Lower case, such as `apache-2.0` or `llama3.1`; `other` where the Hub has none for it."""
    name: str = ""
    """Of an `other` licence."""
    link: str = ""
    source: str = ""
    """The file that says so."""

    @property
    def key(self) -> str:
        return self.name.lower() if self.identifier == "other" and self.name else self.identifier

    @property
    def limits(self) -> tuple[Limit, ...]:
        """Empty for a licence that lets everybody use and change the model."""
        limits = _known(self.key)[0]
        return limits if limits or _OPEN.fullmatch(self.key) else (Limit.UNKNOWN,)

    @property
    def text(self) -> str:
        """Where its text can be read; empty where that is not known."""
        return self.link if self.link.startswith("https://") else _known(self.key)[1]

    def sentence(self) -> str:
        """What it limits, in words of the user's language."""
        words = {
            Limit.NON_COMMERCIAL: _("forbids commercial use"),
            Limit.NO_DERIVATIVES: _("forbids passing on changed versions, which a merge is"),
            Limit.CONDITIONS: _("allows use only under conditions, which also bind whoever you pass the model on to"),
            Limit.UNKNOWN: _("is not known here: read it before you rely on the model"),
        }
        return ", ".join(words[limit] for limit in self.limits) or _("allows use, also commercial")


def _known(key: str) -> tuple[tuple[Limit, ...], str]:
    found = ((limits, text) for pattern, limits, text in _LIMITED if re.fullmatch(pattern, key))
    return next(found, ((), ""))
