"""What a model's file says about itself, as `models show` and the app print it."""

from itertools import count, takewhile
from pathlib import Path
from typing import Any

from localfin.text import clean_text
from localfin_models.errors import LocalfinError
from localfin_models.files import file_sha256
from localfin_models.gguf_header import GgufHeader, check_gguf
from localfin_models.licences import Licence
from localfin_models.manifest import manifest_path

_BASE = "general.base_model.0."


def describe(path: Path) -> dict[str, Any]:
    """Name, architecture, size, origin and SHA-256, which a gigabyte takes a second for. Raises InputRefused."""
    header = check_gguf(path)
    try:
        digest = file_sha256(path)
    except OSError as error:
        raise LocalfinError(str(error)) from None
    return {
        "name": clean_text(header.name),
        "path": str(path.absolute()),
        "architecture": clean_text(header.architecture),
        "quantization": header.quantization,
        "size_bytes": header.file_bytes,
        "parameters": header.parameters,
        "layers": header.layers,
        "n_ctx_train": header.n_ctx_train,
        "vocabulary": header.vocabulary,
        **_origin(header),
        "sha256": digest,
    }


def _origin(header: GgufHeader) -> dict[str, str]:
    """What the file says of where it comes from; only what it says."""

    def text(key: str) -> str:
        return clean_text(str(header.keys.get(key, "")))

    licence, name = text("general.license"), text("general.license.name")
    base = "/".join(part for part in map(text, (f"{_BASE}organization", f"{_BASE}name")) if part)
    adapters = takewhile(bool, (text(f"localfin.adapter.{number}.name") for number in count()))
    version, manifest = text("localfin.version"), manifest_path(header.path)
    said = {
        "license": f"{licence} ({name})" if name else licence,
        "limits": ", ".join(_limits(licence, name)),
        "base": base,
        "adapters": ", ".join(adapters),
        "made_by": f"localfin {version}" if version else "",
        "manifest": str(manifest.absolute()) if manifest.is_file() else "",
    }
    return {key: value for key, value in said.items() if value}


def _limits(licence: str, name: str) -> list[str]:
    """Of each licence in an SPDX expression."""
    every = [Licence(one.strip().lower(), name) for one in licence.split(" AND ") if one.strip()]
    return list(dict.fromkeys(one.sentence() for one in every if one.limits))
