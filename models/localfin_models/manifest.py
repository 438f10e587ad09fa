"""The manifest of a model: what it was made of, and the SHA-256 by which it can be told from any other.

It lies beside a model file (`MODEL.gguf.json`) or in a model folder (`localfin-manifest.json`), one JSON object:

    format, version    "localfin-manifest", 1
    made               when, ISO 8601 with its offset
    files              the model's files: [{"name", "bytes", "sha256"}]; the first is MODEL.gguf itself
    inputs             every file it was made from, in the same form, named `base/…`, `adapter.N/…`, `option/…`
    base, adapters, options, tools, remarks, results
                       what `localfin convert` says of them; nothing here relies on it

It proves that a file is the one that was made, to somebody who trusts the manifest. It is not signed: whoever can
change the model can change the manifest, too.
"""

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from stat import S_ISREG
from typing import Any

from localfin_models.errors import InputRefused, IntegrityFailed, NotFound
from localfin_models.files import hash_file
from localfin_models.language import _

FORMAT, VERSION = "localfin-manifest", 1
IN_FOLDER = "localfin-manifest.json"
_MOST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class HashedFile:
    name: str
    """Relative to the folder of the model, with `/`."""
    n_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    made: str
    files: tuple[HashedFile, ...]
    inputs: tuple[HashedFile, ...]
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The further entries."""

    @property
    def n_bytes(self) -> int:
        return sum(file.n_bytes for file in self.files)

    def json(self) -> str:
        stored = {name: [_stored(file) for file in getattr(self, name)] for name in ("files", "inputs")}
        head = {"format": FORMAT, "version": VERSION, "made": self.made}
        return json.dumps({**head, **stored, **self.facts}, ensure_ascii=False, indent=1) + "\n"


def manifest_path(model: Path) -> Path:
    """Of a model file or folder."""
    return model / IN_FOLDER if model.is_dir() else model.with_name(model.name + ".json")


@contextmanager
def staged_manifest(model: Path) -> Generator[Callable[[Manifest], None]]:
    """Gives a function that writes the manifest of `model` to the disk under another name, which it leaves at the end.

    So a full disk is noticed before the model has its name, and a manifest of an older model does not lie beside a
    newer one: at any instant there is the right one or none.
    """
    part, target = model.with_name(model.name + ".part.json"), model.with_name(model.name + ".json")

    def stage(manifest: Manifest) -> None:
        part.write_text(manifest.json(), "utf-8", errors="replace")  # a name on a disk may be no Unicode
        target.unlink(missing_ok=True)

    try:
        yield stage
    except BaseException:
        with suppress(OSError):  # why it is removed is what the user must hear
            part.unlink(missing_ok=True)
        raise
    part.replace(target)


def may_be_replaced(path: Path) -> bool:
    """Whether nothing lies at `path`, or the manifest of a model that was there before."""
    try:
        _read(path)
    except NotFound:
        return True
    except InputRefused:
        return False
    return True


def read_manifest(model: Path) -> Manifest:
    """Raises NotFound without one, InputRefused for what is none."""
    return _read(manifest_path(model))


def verify_model(model: Path) -> Manifest:
    """Reads every byte of the model again. Raises IntegrityFailed for the first file that is not the one that was made.

    A single file may have another name by now; several keep theirs.
    """
    manifest = read_manifest(model)
    folder = model if model.is_dir() else model.parent
    for file in manifest.files:
        path = model if len(manifest.files) == 1 and not model.is_dir() else folder / file.name
        try:
            size = path.stat().st_size
            if size != file.n_bytes:
                raise IntegrityFailed(
                    _("{path} has {size} bytes, its manifest says {expected}").format(
                        path=path, size=size, expected=file.n_bytes
                    )
                )
            if hash_file(path) != file.sha256:
                raise IntegrityFailed(_("{path} is not the file that was made: its SHA-256 differs").format(path=path))
        except OSError as error:
            raise IntegrityFailed(_("{path} cannot be read: {error}").format(path=path, error=error.strerror)) from None
    return manifest


def _stored(file: HashedFile) -> dict[str, object]:
    return {"name": file.name, "bytes": file.n_bytes, "sha256": file.sha256}


def _file(path: Path, stored: object) -> HashedFile:
    match stored:
        case {"name": str(name), "bytes": int(n_bytes), "sha256": str(sha256)} if (
            name
            and "\0" not in name
            and not PurePosixPath(name).is_absolute()
            and ".." not in PurePosixPath(name).parts
            and "\\" not in name
        ):
            return HashedFile(name, n_bytes, sha256)
        case _:
            raise InputRefused(_("{path} is no manifest that this version can read").format(path=path))


def _read(path: Path) -> Manifest:
    try:
        stat = path.stat()
        if not S_ISREG(stat.st_mode) or stat.st_size > _MOST_BYTES:  # opening a pipe would wait
            raise InputRefused(_("{path} is no manifest that this version can read").format(path=path))
        stored = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(
            _("there is no manifest {path}; `localfin convert` writes one with each model").format(path=path)
        ) from None
    except OSError as error:
        raise InputRefused(_("{path} cannot be read: {error}").format(path=path, error=error.strerror)) from None
    except (ValueError, RecursionError):
        stored = None
    match stored:
        case {"format": format_, "version": version, "made": str(made), "files": [_first, *_others] as files,
              "inputs": [*inputs], **facts} if (format_, version) == (FORMAT, VERSION):  # fmt: skip
            made_of, made_from = (tuple(_file(path, one) for one in given) for given in (files, inputs))
            return Manifest(made, made_of, made_from, {str(name): fact for name, fact in facts.items()})
        case _:
            raise InputRefused(_("{path} is no manifest that this version can read").format(path=path))
