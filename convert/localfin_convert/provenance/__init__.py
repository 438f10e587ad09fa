"""Where an output comes from: its inputs and their SHA-256, names, licences, options and tools, for keys and manifest.

Keys in the GGUF file: `general.license`, `.license.name`, `.license.link` and `general.base_model.*` as llama.cpp's
converter writes them, and ours behind all others:

    localfin.version, localfin.tools     this program; the libraries that shape bytes, each `name version`
    localfin.options                     a JSON object: the options that are not at their default
    localfin.adapter.count, .N.name, .N.weight, .N.trained_on, .N.license
    localfin.inputs, localfin.inputs.sha256   every file that was read, and its SHA-256, in the same order

No absolute path and no time: the same inputs, options and versions give the same bytes on every machine.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gguf import GGUFValueType as Type

from localfin_convert.adapter import Merge
from localfin_convert.keys import Key
from localfin_convert.provenance.inputs import InputFile, input_files
from localfin_convert.provenance.origin import AdapterOrigin, BaseOrigin, adapter_origin, base_origin, remarks
from localfin_convert.read.checkpoint import shard_paths
from localfin_models.licences import Licence
from localfin_models.manifest import HashedFile, Manifest

_TOOLS = ("llama-cpp-python", "gguf", "numpy")
_PEFT_TOOLS = ("torch", "peft")


@dataclass(frozen=True, slots=True)
class Provenance:
    base: BaseOrigin
    adapters: tuple[AdapterOrigin, ...]
    inputs: tuple[InputFile, ...]
    options: Mapping[str, Any]
    tools: Mapping[str, str]
    """Versions; localfin's own first."""

    @property
    def licences(self) -> tuple[Licence, ...]:
        """Of everything that went in, each once."""
        adapters = (licence for adapter in self.adapters for licence in adapter.licences)
        return tuple(dict.fromkeys((*self.base.licences, *adapters)))

    @property
    def remarks(self) -> tuple[str, ...]:
        return tuple(remarks(self.base, self.adapters))

    def general_keys(self) -> list[Key]:
        """In llama.cpp's order. Several licences all apply: an SPDX expression with AND."""
        keys = [
            *_text("general.license", " AND ".join(dict.fromkeys(one.identifier for one in self.licences))),
            *_text("general.license.name", ", ".join(dict.fromkeys(one.name for one in self.licences if one.name))),
            *_text("general.license.link", ", ".join(dict.fromkeys(one.link for one in self.licences if one.link))),
            Key("general.base_model.count", 1, Type.UINT32),
        ]
        prefix = "general.base_model.0."
        keys += _text(f"{prefix}name", self.base.name)
        keys += _text(f"{prefix}organization", self.base.organization)
        return keys + _text(f"{prefix}repo_url", self.base.repo_url)

    def own_keys(self) -> list[Key]:
        """The inputs' hashes as placeholders of their length: see `sealed`."""
        own, *others = (f"{name} {number}" for name, number in self.tools.items())
        keys = [
            *_text("localfin.version", own.partition(" ")[2]),
            _texts("localfin.tools", others),
            *_text("localfin.options", json.dumps(dict(self.options), ensure_ascii=False, sort_keys=True)),
            Key("localfin.adapter.count", len(self.adapters), Type.UINT32),
        ]
        for number, adapter in enumerate(self.adapters):
            prefix = f"localfin.adapter.{number}."
            keys += _text(f"{prefix}name", adapter.name)
            keys.append(Key(f"{prefix}weight", adapter.weight, Type.FLOAT64))
            keys += _text(f"{prefix}trained_on", adapter.trained_on)
            keys += _text(f"{prefix}license", " AND ".join(licence.key for licence in adapter.licences))
        keys.append(_texts("localfin.inputs", [file.name for file in self.inputs]))
        return [*keys, _texts("localfin.inputs.sha256", [file.placeholder for file in self.inputs])]

    def sealed(self, header: bytes, sha256: Mapping[InputFile, str]) -> bytes:
        """`header` with the hashes where their placeholders stood, if it has any."""
        for file in self.inputs:
            header = header.replace(file.placeholder.encode(), sha256[file].encode())
        return header

    def manifest(self, files: Sequence[HashedFile], sha256: Mapping[InputFile, str], **results: object) -> Manifest:
        """`results`: what the conversion found, such as the number of changed weights."""
        inputs = tuple(HashedFile(file.name, file.path.stat().st_size, sha256[file]) for file in self.inputs)
        facts = {
            "base": {
                "name": self.base.name,
                "organization": self.base.organization,
                "repo_url": self.base.repo_url,
                "licenses": _licence_facts(self.base.licences),
            },
            "adapters": [
                {
                    "name": one.name,
                    "weight": one.weight,
                    **one.training,
                    "trained_on": one.trained_on,
                    "licenses": _licence_facts(one.licences),
                }
                for one in self.adapters
            ],
            "options": dict(self.options),
            "tools": dict(self.tools),
            "remarks": list(self.remarks),
            "results": results,
        }
        return Manifest(datetime.now(UTC).isoformat(timespec="seconds"), tuple(files), inputs, facts)


def provenance_of(
    merge: Merge, options: Mapping[str, object], more: Sequence[InputFile] = (), *, shards: bool = True
) -> Provenance:
    """Of a merge with `options` by name, files among them as paths. Reads cards and configurations, hashes nothing.

    `more`: files that go into the output besides those that every conversion reads. `shards`: whether the base's
    weights go into it.
    """
    folder, config = merge.checkpoint.folder, merge.checkpoint.config
    adapters = tuple(adapter_origin(adapter.folder, adapter.weight) for adapter in merge.adapters)
    folders = [adapter.folder for adapter in merge.adapters]
    extra = [value for value in options.values() if isinstance(value, Path)]
    plain = {name: value.name if isinstance(value, Path) else value for name, value in options.items()}
    needs_peft = any(adapter.training.get("peft_type") != "LORA" for adapter in adapters)
    return Provenance(
        base_origin(folder, config, folders),
        adapters,
        tuple(dict.fromkeys((*input_files(folder, shard_paths(folder) if shards else (), folders, extra), *more))),
        plain,
        {name: _version(name) for name in ("localfin", *_TOOLS, *(_PEFT_TOOLS if needs_peft else ()))},
    )


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:  # run from a source tree
        return "unknown"


def _text(name: str, value: str) -> list[Key]:
    return [Key(name, value, Type.STRING)] if value else []


def _texts(name: str, values: Sequence[str]) -> Key:
    return Key(name, list(values), Type.ARRAY, Type.STRING)


def _licence_facts(licences: Sequence[Licence]) -> list[dict[str, object]]:
    return [
        {
            "license": one.identifier,
            "name": one.name,
            "link": one.link,
            "source": one.source,
            "limits": [limit.value for limit in one.limits],
        }
        for one in licences
    ]
