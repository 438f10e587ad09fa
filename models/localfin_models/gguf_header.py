"""The header of a GGUF file, read with bounds in plain Python before any C code sees the file.

    magic "GGUF" | version u32 | tensor count u64 | key count u64
    key count times:    name (u64 length, bytes) | type u32 | value
    tensor count times: name | dimensions u32 | each u64 | type u32 | offset u64, from the start of the data
    padding to `general.alignment`, then the data

What is covered: every length, count, type and offset lies within the file, tensors do not overlap, names are not
doubled, and the sizes that make llama.cpp abort instead of failing are sane. What is not: the tokenizer's contents, the
chat template (a program), and the weights themselves. That is why the engine is a sealed process.
Source: ggml's docs/gguf.md. Little-endian, versions 2 and 3.
"""

import mmap
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, NoReturn

from localfin_models.errors import InputRefused, NotFound
from localfin_models.gguf_parts import part_paths
from localfin_models.gguf_tables import BLOCKS, FILE_TYPES
from localfin_models.language import _

MAX_KEYS, MAX_TENSORS, MAX_NAME, MAX_LAYERS, MAX_EXPERTS = 65_536, 1 << 18, 65_535, 4_096, 1_024
MAX_PARTS = 1_000
MAX_TEXTS = 1_000
"""Of an array that is kept."""
_MAX_DIMENSIONS = 4
_STRING, _ARRAY = 8, 9
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_LONGEST_KEPT = 4 << 20
"""Strings longer than this are passed over; a chat template is far shorter."""

Scalar = int | float | bool | str


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor: `shape` as stored, fastest dimension first; `offset` from the start of the file, in bytes."""

    name: str
    shape: tuple[int, ...]
    type: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What the file says about itself. Arrays are left out of `keys`; `lengths` has their element counts.

    The few arrays of texts that a reader asks for are in `texts`.
    """

    path: Path
    """What is opened; of several files the first."""
    file_bytes: int
    """Of all its files."""
    keys: dict[str, Scalar]
    lengths: dict[str, int]
    types: dict[str, int] = field(repr=False)
    """The GGUF type each of `keys` is stored in: native code that reads it as another one ends the process."""
    tensors: tuple[TensorInfo, ...] = field(repr=False)
    others: tuple[Path, ...] = ()
    """Where the model comes in several files, those after the first, in order."""
    texts: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    @property
    def architecture(self) -> str:
        return str(self.keys["general.architecture"])

    @property
    def name(self) -> str:
        """`general.name`, or the file's name where it has none."""
        return str(self.keys.get("general.name") or self.path.stem)

    @property
    def quantization(self) -> str:
        """`q4_k_m`; `unknown` for a file type this version has no name for."""
        return FILE_TYPES.get(self._size("general.file_type", -1), "unknown")

    @property
    def parameters(self) -> int:
        total = 0
        for tensor in self.tensors:
            count = 1
            for size in tensor.shape:
                count *= size
            total += count
        return total

    @property
    def tensor_bytes(self) -> int:
        return sum(t.size for t in self.tensors)

    @property
    def layers(self) -> int:
        return self._size(self.architecture + ".block_count", 0)

    @property
    def n_ctx_train(self) -> int:
        return self._size(self.architecture + ".context_length", 0)

    @property
    def width(self) -> int:
        return self._size(self.architecture + ".embedding_length", 0)

    @property
    def feed_forward(self) -> int:
        return self._size(self.architecture + ".feed_forward_length", 4 * self.width)

    @property
    def heads(self) -> int:
        return self._size(self.architecture + ".attention.head_count", 1)

    @property
    def vocabulary(self) -> int:
        return self.lengths.get("tokenizer.ggml.tokens", 0)

    @property
    def kv_width(self) -> int:
        """Elements of keys and values together that one token keeps in one layer."""
        prefix = self.architecture + ".attention."
        kv_heads = self._size(prefix + "head_count_kv", self.heads)
        head = self.width // max(1, self.heads)
        return kv_heads * (self._size(prefix + "key_length", head) + self._size(prefix + "value_length", head))

    def _size(self, key: str, default: int) -> int:
        value = self.keys.get(key, default)
        return value if isinstance(value, int) else default


def check_gguf(path: Path) -> GgufHeader:
    """Read and check a model's header. Raises NotFound, or InputRefused with one line that says what is wrong."""
    header = _with_others(_header_at(path))
    _check_sizes(header)
    return header


def read_header(file: BinaryIO, path: Path, *, architecture: bool = True, texts: Collection[str] = ()) -> GgufHeader:
    """The header of any GGUF in `file`, its layout checked but not what it says; `path` names it in errors.

    `architecture`: whether it must name one. Models and adapters do; the later parts of a model in several files and
    importance matrices do not. `texts`: the arrays of texts to keep.
    """
    size = file.seek(0, 2)
    if size < 24:
        _refuse(path, _("too short for a GGUF file"))
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        header = _Reader(path, data, size, texts).header()
    if architecture and not isinstance(header.keys.get("general.architecture"), str):
        _refuse(path, _("it names no architecture"))
    return header


def _header_at(path: Path, *, architecture: bool = True) -> GgufHeader:
    if path.is_fifo():  # opening it would wait for a writer
        _refuse(path, _("this is a pipe, a GGUF file was expected"))
    try:
        with path.open("rb") as file:
            return read_header(file, path, architecture=architecture)
    except FileNotFoundError:
        raise NotFound(_("{path}: no such file").format(path=path)) from None
    except IsADirectoryError:
        _refuse(path, _("this is a folder, a GGUF file was expected"))
    except OSError as error:
        _refuse(path, error.strerror or str(error))


def _with_others(first: GgufHeader) -> GgufHeader:
    """The model whole, where it comes in several files."""
    count = first.keys.get("split.count", 1)
    if not isinstance(count, int) or count <= 1:
        return first
    paths = part_paths(first.path, count) if count <= MAX_PARTS else None
    if paths is None or first.keys.get("split.no") != 0:
        _refuse(first.path, _("it is one of {n} files: open the first, named …-00001-of-{n:05d}.gguf").format(n=count))
    headers = [first, *(_header_at(path, architecture=False) for path in paths[1:])]
    for number, header in enumerate(headers):
        if (header.keys.get("split.no"), header.keys.get("split.count")) != (number, count):
            _refuse(header.path, _("it says it is another part than its name does"))
    tensors = tuple(tensor for header in headers for tensor in header.tensors)
    if len(tensors) != first.keys.get("split.tensors.count") or len({t.name for t in tensors}) != len(tensors):
        _refuse(first.path, _("its files do not hold the tensors it promises, each once"))
    return replace(
        first, file_bytes=sum(header.file_bytes for header in headers), tensors=tensors, others=tuple(paths[1:])
    )


def _refuse(path: Path, reason: str) -> NoReturn:
    raise InputRefused(_("{path} is no usable GGUF: {reason}").format(path=path, reason=reason))


class _Reader:
    """A cursor over the mapped file; every step is checked against its end."""

    def __init__(self, path: Path, data: mmap.mmap, size: int, kept: Collection[str]) -> None:
        self._path, self._data, self._size, self._at = path, data, size, 0
        self._kept = kept
        self._texts: dict[str, tuple[str, ...]] = {}

    def header(self) -> GgufHeader:
        if self._take(4) != b"GGUF":
            _refuse(self._path, _("it does not begin with GGUF"))
        version = self._number("<I")
        if version not in (2, 3):
            _refuse(self._path, _("version {version} is not known (2 and 3 are)").format(version=version))
        tensors, keys = self._number("<Q"), self._number("<Q")
        # The least a tensor takes is 8 + 4 + 4 + 8 bytes, a key 8 + 4 + 1.
        if tensors > min(MAX_TENSORS, self._size // 24) or keys > min(MAX_KEYS, self._size // 13):
            _refuse(self._path, _("it claims {n} tensors and {k} keys").format(n=tensors, k=keys))
        values, lengths, types = self._keys(keys)
        found = list(self._tensors(tensors))
        placed = self._place(found, values)
        header = GgufHeader(self._path, self._size, values, lengths, types, placed, texts=self._texts)
        if not header.tensors:
            _refuse(header.path, _("it holds no tensors"))
        return header

    def _keys(self, count: int) -> tuple[dict[str, Scalar], dict[str, int], dict[str, int]]:
        values: dict[str, Scalar] = {}
        lengths: dict[str, int] = {}
        types: dict[str, int] = {}
        for _index in range(count):
            name = self._string(MAX_NAME)
            kind = self._number("<I")
            if name in values or name in lengths:
                _refuse(self._path, _("the key {key} stands twice").format(key=name))
            types[name] = kind
            if kind == _ARRAY:
                lengths[name] = self._skip_array(name)
            elif kind == _STRING:
                values[name] = self._string(_LONGEST_KEPT)
            elif kind in _SCALARS:
                values[name] = self._scalar(_SCALARS[kind])
            else:
                _refuse(self._path, _("the key {key} has the unknown type {type}").format(key=name, type=kind))
        return values, lengths, types

    def _skip_array(self, name: str) -> int:
        kind, count = self._number("<I"), self._number("<Q")
        if kind in _SCALARS:
            self._skip(count * struct.calcsize("<" + _SCALARS[kind]))
        elif kind == _STRING:
            if count > (self._size - self._at) // 8:
                self._ends_early()
            if name in self._kept:
                if count > MAX_TEXTS:
                    _refuse(self._path, _("{key} holds {n} texts").format(key=name, n=count))
                self._texts[name] = tuple(self._string(MAX_NAME) for _index in range(count))
            else:
                self._skip_strings(count)
        else:
            _refuse(self._path, _("the array {key} has the unknown type {type}").format(key=name, type=kind))
        return count

    def _skip_strings(self, count: int) -> None:
        # A vocabulary has 128,000 of these: only the lengths are read, with everything in local names.
        data, at, size = self._data, self._at, self._size
        read = struct.Struct("<Q").unpack_from
        for _index in range(count):
            if at + 8 > size:
                self._ends_early()
            at += 8 + read(data, at)[0]
        if at > size:
            self._ends_early()
        self._at = at

    def _tensors(self, count: int) -> Iterator[TensorInfo]:
        names: set[str] = set()
        for _index in range(count):
            name = self._string(MAX_NAME)
            if name in names:
                _refuse(self._path, _("the tensor {name} stands twice").format(name=name))
            names.add(name)
            dimensions = self._number("<I")
            if not 1 <= dimensions <= _MAX_DIMENSIONS:
                _refuse(self._path, _("the tensor {name} has {n} dimensions").format(name=name, n=dimensions))
            shape = tuple(self._number("<Q") for _dimension in range(dimensions))
            kind, offset = self._number("<I"), self._number("<Q")
            yield TensorInfo(name, shape, kind, offset, self._bytes_of(name, shape, kind))

    def _bytes_of(self, name: str, shape: tuple[int, ...], kind: int) -> int:
        if kind not in BLOCKS:
            _refuse(self._path, _("the tensor {name} has the unknown type {type}").format(name=name, type=kind))
        elements, size = BLOCKS[kind]
        if shape[0] % elements:
            _refuse(self._path, _("the rows of {name} are no whole blocks").format(name=name))
        total = shape[0] // elements * size
        for count in shape[1:]:
            total *= count
        if total == 0:
            _refuse(self._path, _("the tensor {name} is empty").format(name=name))
        if total > self._size:
            _refuse(self._path, _("the tensor {name} is larger than the file").format(name=name))
        return total

    def _place(self, tensors: list[TensorInfo], values: dict[str, Scalar]) -> tuple[TensorInfo, ...]:
        """Offsets made absolute; each within the file, aligned, and past the end of the one before."""
        alignment = values.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 8 <= alignment <= 1 << 20 or alignment & (alignment - 1):
            _refuse(self._path, _("the alignment {alignment} is no power of two").format(alignment=alignment))
        start = -(-self._at // alignment) * alignment
        placed: list[TensorInfo] = []
        for tensor in tensors:
            offset = start + tensor.offset
            if tensor.offset % alignment or offset + tensor.size > self._size:
                _refuse(self._path, _("the tensor {name} does not lie within the file").format(name=tensor.name))
            placed.append(TensorInfo(tensor.name, tensor.shape, tensor.type, offset, tensor.size))
        end = 0
        for tensor in sorted(placed, key=lambda t: t.offset):
            if tensor.offset < end:
                _refuse(self._path, _("the tensor {name} overlaps another").format(name=tensor.name))
            end = tensor.offset + tensor.size
        return tuple(placed)

    def _string(self, longest: int) -> str:
        length = self._number("<Q")
        if length > longest:
            _refuse(self._path, _("a text in it is {n} bytes long").format(n=length))
        return self._take(length).decode("utf-8", "replace")

    def _scalar(self, code: str) -> Scalar:
        value: Scalar = struct.unpack("<" + code, self._take(struct.calcsize("<" + code)))[0]
        return value

    def _number(self, code: str) -> int:
        value: int = struct.unpack(code, self._take(struct.calcsize(code)))[0]
        return value

    def _take(self, count: int) -> bytes:
        at = self._at
        self._skip(count)
        return self._data[at : at + count]

    def _skip(self, count: int) -> None:
        if count > self._size - self._at:
            self._ends_early()
        self._at += count

    def _ends_early(self) -> NoReturn:
        _refuse(self._path, _("it ends early; was it copied whole?"))


def _check_sizes(header: GgufHeader) -> None:
    """The sizes with which llama.cpp ends the process instead of refusing, and those that make no model."""
    if header.keys.get("general.type") == "adapter":
        _refuse(header.path, _("it is a LoRA, to be loaded onto its base with --lora"))
    name = header.architecture + "."
    rules = {
        "block_count": (1, MAX_LAYERS),
        "context_length": (1, 1 << 27),
        "embedding_length": (1, 1 << 20),
        "attention.head_count": (1, 1 << 14),
        "attention.head_count_kv": (0, 1 << 14),
        "attention.key_length": (1, 1 << 14),
        "attention.value_length": (1, 1 << 14),
        "rope.dimension_count": (1, 1 << 14),
        "feed_forward_length": (0, 1 << 24),
        "expert_count": (0, MAX_EXPERTS),
        "expert_used_count": (0, MAX_EXPERTS),
        "nextn_predict_layers": (0, max(0, header.layers - 1)),
    }
    for key, (least, most) in rules.items():
        value = header.keys.get(name + key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most):
            _refuse(header.path, _("{key} is {value}").format(key=name + key, value=value))
    for key in ("block_count", "embedding_length"):
        if name + key not in header.keys:
            _refuse(header.path, _("{key} is missing").format(key=name + key))
    experts, used = header.keys.get(name + "expert_count", 0), header.keys.get(name + "expert_used_count", 0)
    if int(used) > int(experts) or (int(experts) > 0 and int(used) == 0):
        _refuse(header.path, _("{used} of {n} experts are used").format(used=used, n=experts))
    highest = _highest_layer(header)
    if highest >= header.layers:
        _refuse(header.path, _("it has {n} layers and a tensor of layer {k}").format(n=header.layers, k=highest))


def _highest_layer(header: GgufHeader) -> int:
    """The largest N of the tensors named `blk.N.…`; -1 if there are none."""
    numbers = (t.name.split(".", 2)[1] for t in header.tensors if t.name.startswith("blk.") and t.name.count(".") >= 2)
    return max((int(n) for n in numbers if n.isascii() and n.isdigit() and len(n) < 9), default=-1)
