"""Architectures as plain data: what YAML files hold. Per-tensor values are one value for all or ``{weights: .., ...}``.

Energies, area and leakage may be left out where a technology is named (`dataflows.nest.pricing`); what is written wins.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable
from typing import Any

from dataflows.compression import DENSE, Format
from dataflows.datapath import Datapath
from dataflows.errors import SpecError
from dataflows.nest.architecture import MOST_PJ, ROW_DIMS, Architecture, Axis, Fanout, StorageLevel
from dataflows.nest.pricing import KINDS, Wish, resolve
from dataflows.nest.rules import TENSORS
from dataflows.tech import technology

SCHEMA = 1
_TOP = (
    "schema", "name", "levels", "mac_pj", "psum_bits", "leakage_pj", "area_um2", "datapath", "source", "description",
    "technology", "clock_mhz",
)  # fmt: skip
_TEXTS = ("source", "description")
_PORTS = ("bandwidth", "read_bandwidth", "write_bandwidth")
_LEVEL = (
    "name", "holds", "read_pj", "write_pj", "word_bits", "row_bits", "row_dims", "capacity_bits", "capacity_words", *_PORTS,
    "block_words", "buffering", "formats", "fanout", "source", "kind", "dram",
)  # fmt: skip
_FLAGS = ("multicast", "reduction", "links")
_FANOUT = ("axes", *_FLAGS, "hop_pj", "add_pj", "skew")


def architecture_to_dict(arch: Architecture) -> dict[str, Any]:
    """Return the YAML form, all fields written out."""
    return {
        "schema": SCHEMA, "name": arch.name, "levels": [_level_to_dict(level) for level in arch.levels], "mac_pj": arch.mac_pj,
        "psum_bits": arch.psum_bits, "leakage_pj": arch.leakage_pj, "area_um2": arch.area_um2,
        "datapath": arch.datapath and arch.datapath.to_dict(), "source": arch.source, "description": arch.description,
        "clock_mhz": arch.clock_mhz,
    }  # fmt: skip


def _level_to_dict(level: StorageLevel) -> dict[str, Any]:
    size, fan = level.capacity_bits, level.fanout
    return {
        "name": level.name,
        "holds": [tensor for tensor in TENSORS if tensor in level.holds],
        "read_pj": dict(zip(TENSORS, level.read_pj, strict=True)),
        "write_pj": dict(zip(TENSORS, level.write_pj, strict=True)),
        "word_bits": dict(zip(TENSORS, ("layer" if bits is None else bits for bits in level.word_bits), strict=True)),
        "row_bits": level.row_bits,
        "row_dims": dict(zip(TENSORS, level.row_dims, strict=True)),
        "capacity_bits": dict(zip(TENSORS, size, strict=True)) if isinstance(size, tuple) else size,
        **{name: getattr(level, name) for name in _PORTS},
        "block_words": level.block_words,
        "buffering": level.buffering,
        "formats": {tensor: str(form) for tensor, form in zip(TENSORS, level.formats, strict=True)},
        "fanout": {
            "axes": [{"name": axis.name, "size": axis.size, "dims": axis.dims} for axis in fan.axes],
            **{name: getattr(fan, name) for name in (*_FLAGS, "hop_pj", "add_pj", "skew")},
        },
        "source": level.source,
    }


def architecture_from_dict(data: Any, path: str = "architecture") -> Architecture:
    """Read the YAML form; every error is a `SpecError` with the field's path."""
    _fields(data, path, _TOP, required=("name", "levels"))
    if data.get("schema", SCHEMA) != SCHEMA:
        raise SpecError(f"{path}.schema", data["schema"], str(SCHEMA), "use the form of this version")
    if not isinstance(data["levels"], list):
        raise SpecError(f"{path}.levels", data["levels"], "a list of levels, outermost first", "correct the value")
    tech = None if data.get("technology") is None else _made(f"{path}.technology", lambda: technology(data["technology"]))
    missing = frozenset(name for name in ("mac_pj", "area_um2", "leakage_pj") if data.get(name) is None)
    if tech is None and "mac_pj" in missing:
        raise SpecError(f"{path}.mac_pj", "nothing", "a value: this field is required without a technology", "add mac_pj")
    read = [_level(entry, f"{path}.levels[{i}]", tech is not None) for i, entry in enumerate(data["levels"])]
    bits = data.get("psum_bits")
    area, clock = (
        None if data.get(name) is None else _number(data[name], f"{path}.{name}") for name in ("area_um2", "clock_mhz")
    )
    arch = _made(
        path,
        lambda: Architecture(
            name=str(data["name"]),
            levels=tuple(level for level, _ in read),
            mac_pj=_energy(_or_zero(data.get("mac_pj")), f"{path}.mac_pj"),
            psum_bits=None if bits is None else _whole(bits, f"{path}.psum_bits"),
            leakage_pj=_energy(_or_zero(data.get("leakage_pj")), f"{path}.leakage_pj"),
            area_um2=area,
            datapath=None if data.get("datapath") is None else Datapath.parse(data["datapath"], f"{path}.datapath"),
            clock_mhz=clock,
            **_texts(data, _TEXTS),
        ),
    )
    return resolve(arch, tech, [wish for _, wish in read], missing, path)


def _level(data: Any, path: str, priced: bool) -> tuple[StorageLevel, Wish]:
    """Read a level, and what it leaves to the technology table."""
    made = _storage(data, path)
    priced = priced or data.get("dram") is not None
    asked = []
    for name in ("read_pj", "write_pj"):
        given = data.get(name)
        if given is None and not priced:
            raise SpecError(f"{path}.{name}", "nothing", "a value: this field is required without a technology", f"add {name}")
        named = {tensor for tensor, pj in given.items() if pj is not None} if isinstance(given, dict) else set(TENSORS)
        asked.append(made.holds - (set() if given is None else named) if priced else frozenset())
    fan = data.get("fanout") or {}
    hop, add = (fan.get(name) is None for name in ("hop_pj", "add_pj"))
    if data.get("kind") is not None and data["kind"] not in KINDS:
        raise SpecError(f"{path}.kind", data["kind"], ", ".join(KINDS), "choose one of these, or leave it out")
    return made, Wish(frozenset(asked[0]), frozenset(asked[1]), hop, add, data.get("kind"), data.get("dram"))


def _storage(data: Any, path: str) -> StorageLevel:
    _fields(data, path, _LEVEL, required=("name", "holds"))
    holds = data["holds"]
    if not isinstance(holds, list) or not set(map(str, holds)) <= set(TENSORS):
        raise SpecError(f"{path}.holds", holds, f"a list of {', '.join(TENSORS)}", "correct the names")
    bits = _triple(data.get("word_bits", 8), f"{path}.word_bits", _width, 8)
    rows = None if data.get("row_bits") is None else _whole(data["row_bits"], f"{path}.row_bits")
    given = _triple(data.get("row_dims", {}), f"{path}.row_dims", _letters, None)
    weights, inputs, outputs = (default if dims is None else dims for dims, default in zip(given, ROW_DIMS, strict=True))
    ports = {name: _number(data[name], f"{path}.{name}") for name in _PORTS if data.get(name) is not None}
    more: dict[str, Any] = ports | _texts(data, ("source",))
    return _made(
        path,
        lambda: StorageLevel(
            name=str(data["name"]),
            holds=frozenset(holds),
            read_pj=_triple(_or_zero(data.get("read_pj")), f"{path}.read_pj", _energy, 0.0),
            write_pj=_triple(_or_zero(data.get("write_pj")), f"{path}.write_pj", _energy, 0.0),
            word_bits=bits,
            capacity_bits=_capacity(data, holds, bits, path),
            block_words=_whole(data.get("block_words", 1), f"{path}.block_words"),
            buffering=data.get("buffering", "ideal"),
            fanout=_fanout(data.get("fanout") or {}, f"{path}.fanout"),
            row_bits=rows,
            formats=_triple(data.get("formats", "dense"), f"{path}.formats", Format.parse, DENSE),
            row_dims=(weights, inputs, outputs),
            **more,
        ),
    )


def _capacity(data: dict[str, Any], holds: list[str], bits: tuple[int | None, int | None, int | None], path: str) -> Any:
    """Return bits: a number, one per tensor, or None; a shared number of words needs words of one width."""
    if data.get("capacity_words") is None:
        size = data.get("capacity_bits")
        if isinstance(size, dict):
            return _triple(size, f"{path}.capacity_bits", _whole, None)
        return None if size is None else _whole(size, f"{path}.capacity_bits")
    where, size = f"{path}.capacity_words", data["capacity_words"]
    if data.get("capacity_bits") is not None:
        raise SpecError(where, size, "capacity_words or capacity_bits", "remove one of them")
    if None in bits:
        raise SpecError(where, size, "words of a fixed width", "use capacity_bits, or give word_bits in numbers")
    if isinstance(size, dict):
        words = _triple(size, where, _whole, None)
        return tuple(None if n is None else n * (width or 0) for n, width in zip(words, bits, strict=True))
    widths = {width for tensor, width in zip(TENSORS, bits, strict=True) if tensor in holds and width is not None}
    if len(widths) > 1:
        raise SpecError(where, size, "words of one width, or a number per tensor", "use capacity_bits")
    return _whole(size, where) * max(widths, default=1)


def _fanout(data: Any, path: str) -> Fanout:
    _fields(data, path, _FANOUT)
    axes = data.get("axes", [])
    if not isinstance(axes, list):
        raise SpecError(f"{path}.axes", axes, "a list of {name, size}", "correct the value")
    made = []
    for i, entry in enumerate(axes):
        where = f"{path}.axes[{i}]"
        _fields(entry, where, ("name", "size", "dims"), required=("name", "size"))
        dims = {"dims": str(entry["dims"])} if "dims" in entry else {}
        made.append(_made(where, lambda entry=entry, dims=dims: Axis(str(entry["name"]), entry["size"], **dims)))
    flags = {name: data[name] for name in _FLAGS if name in data}
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise SpecError(f"{path}.{name}", value, "true or false", "correct the value")
    hop, add = (_energy(_or_zero(data.get(name)), f"{path}.{name}") for name in ("hop_pj", "add_pj"))
    return _made(path, lambda: Fanout(tuple(made), hop_pj=hop, add_pj=add, skew=data.get("skew", "none"), **flags))


def _fields(data: Any, path: str, known: tuple[str, ...], required: tuple[str, ...] = ()) -> None:
    if not isinstance(data, dict):
        raise SpecError(path, data, f"fields {', '.join(known)}", "write them as `name: value`")
    for key in data:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
            raise SpecError(f"{path}.{key}", data[key], ", ".join(known), f"did you mean {near[0]!r}?" if near else "remove it")
    for key in required:
        if data.get(key) is None:
            raise SpecError(f"{path}.{key}", "nothing", "a value: this field is required", f"add {key}")


def _triple(value: Any, path: str, read: Callable[[Any, str], Any], absent: Any) -> Any:
    """Read one value for all tensors, or a table of tensors."""
    if not isinstance(value, dict):
        return (read(value, path),) * 3
    _fields(value, path, TENSORS)
    return tuple(absent if value.get(tensor) is None else read(value[tensor], f"{path}.{tensor}") for tensor in TENSORS)


def _texts(data: dict[str, Any], names: tuple[str, ...]) -> dict[str, str]:
    return {name: str(data[name]).strip() for name in names if data.get(name) is not None}


def _or_zero(value: Any) -> Any:
    return 0.0 if value is None else value


def _number(value: Any, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise SpecError(path, value, "a number, not negative", "correct the value")
    return value


def _energy(value: Any, path: str) -> float:
    if _number(value, path) > MOST_PJ:
        raise SpecError(path, value, f"numbers of pJ from 0 to {MOST_PJ:g}", "correct the energy")
    return value


def _whole(value: Any, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise SpecError(path, value, "a positive integer", "correct the value")
    return value


def _width(value: Any, path: str) -> int | None:
    return None if value == "layer" else _whole(value, path)


def _letters(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise SpecError(path, value, "letters of dimensions, or '' for none", "write for example KC")
    return value


def _made(path: str, make: Callable[[], Any]) -> Any:
    """Build a value; what its class refuses is reported below `path`."""
    try:
        return make()
    except SpecError as error:
        if error.path.startswith(path):
            raise
        raise SpecError(f"{path}: {error.path}", error.found, error.allowed, error.fix) from None
