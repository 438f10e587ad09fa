"""What is asked of a conversion to GGUF."""

from dataclasses import dataclass, fields
from pathlib import Path

from localfin_convert.adapter import Weighted
from localfin_convert.prompt_format import BASE, SEED
from localfin_convert.quantize import types
from localfin_models.errors import InputRefused
from localfin_models.language import _

PRECISIONS = ("16bit", "f32")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for: everything the output's bytes follow from."""

    base: Path
    adapters: tuple[Weighted, ...]
    quantization: str
    name: str
    """`general.name`."""
    prompt_format: str | None = None
    merge_onto: str | None = None
    """`16bit` or `dequantized` (see `bitsandbytes.trained`); None for the base as it is."""
    split_max_bytes: int | None = None
    """Of the tensors in one file of several; None for a single file."""
    tensor_types: tuple[str, ...] = ()
    """`PATTERN=TYPE` each, the first that matches decides (see `quantize.overrides`)."""
    imatrix: Path | None = None
    """An importance matrix to quantize by."""
    precision: str = PRECISIONS[0]
    """One of PRECISIONS: whether a merge is rounded to the base's own type before it is quantized."""

    def options(self) -> dict[str, object]:
        """Those that are not at their default, by name; a file among them as its path."""
        own = {field.name: field.default for field in fields(self) if field.name not in ("base", "adapters", "name")}
        given = {name: getattr(self, name) for name, default in own.items() if getattr(self, name) != default}
        if self.prompt_format not in (None, SEED, BASE):
            given["prompt_format"] = Path(str(self.prompt_format))
        return given


def refuse_unquantized(asked: Request) -> None:
    """What llama.cpp's quantizer alone looks at means nothing where it has nothing to do."""
    if types.is_quantized(asked.quantization):
        return
    for option, given in (("--tensor-type", asked.tensor_types), ("--imatrix", asked.imatrix)):
        if given:
            raise InputRefused(
                _("{option} means nothing with -q {quantization}, which quantizes no tensor").format(
                    option=option, quantization=asked.quantization
                )
            )
