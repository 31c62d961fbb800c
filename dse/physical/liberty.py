"""Cell libraries in the Liberty format: a generic one written here, and those a user has.

The generic library is no process. Its areas are gate equivalents (a two-input NAND is 1), rounded from what textbooks and
open libraries give for cells of normal strength; its delays are made up: a cell takes `intrinsic + slope x load` units, where a
unit is `UNIT_PS`, so that figures compare designs with each other and no figure compares with silicon.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from dataflows.errors import SpecError

GENERIC = "generic"
KNOWN = {"osu018": Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")}
"""Libraries of Debian packages, read where they are installed: OSU 0.18 um comes with ``qflow-tech-osu018``."""

UNIT_PS = 20.0
_SLOPE, _EDGE, _EDGE_SLOPE, _SLEW = 0.25, 0.5, 0.3, 0.15  # units per load, units, units per load, ps per ps of input edge
_EDGES_PS, _LOADS = (5, 50, 200), (1, 4, 16, 64)
_GATES = {  # area in gate equivalents, pins, function of output Y, intrinsic delay in units
    "INV": (0.67, "A", "!A", 0.6), "BUF": (1.0, "A", "A", 1.1),
    "NAND2": (1.0, "AB", "!(A&B)", 0.8), "NAND3": (1.33, "ABC", "!(A&B&C)", 1.1), "NAND4": (1.67, "ABCD", "!(A&B&C&D)", 1.4),
    "NOR2": (1.0, "AB", "!(A|B)", 1.0), "NOR3": (1.33, "ABC", "!(A|B|C)", 1.5),
    "AND2": (1.33, "AB", "A&B", 1.3), "OR2": (1.33, "AB", "A|B", 1.4),
    "AOI21": (1.33, "ABC", "!((A&B)|C)", 1.1), "OAI21": (1.33, "ABC", "!((A|B)&C)", 1.1),
    "AOI22": (1.67, "ABCD", "!((A&B)|(C&D))", 1.3), "OAI22": (1.67, "ABCD", "!((A|B)&(C|D))", 1.3),
    "XOR2": (2.0, "AB", "A^B", 1.6), "XNOR2": (2.0, "AB", "!(A^B)", 1.6), "MUX2": (2.0, "ABS", "(A&!S)|(B&S)", 1.6),
}  # fmt: skip
_FLIP_FLOP = ("DFF", 4.67, 3.0, 20.0)  # name, area, clock to output in units, setup in ps
_HEAD = f"""library (generic) {{
  delay_model : table_lookup;
  time_unit : "1ps"; voltage_unit : "1V"; current_unit : "1mA"; leakage_power_unit : "1nW"; pulling_resistance_unit : "1kohm";
  capacitive_load_unit (1, ff);
  nom_process : 1; nom_voltage : 1; nom_temperature : 25; default_max_transition : 1000;
  slew_lower_threshold_pct_rise : 20; slew_upper_threshold_pct_rise : 80;
  slew_lower_threshold_pct_fall : 20; slew_upper_threshold_pct_fall : 80;
  input_threshold_pct_rise : 50; input_threshold_pct_fall : 50;
  output_threshold_pct_rise : 50; output_threshold_pct_fall : 50;
  lu_table_template (grid) {{
    variable_1 : input_net_transition; index_1 ("{", ".join(map(str, _EDGES_PS))}");
    variable_2 : total_output_net_capacitance; index_2 ("{", ".join(map(str, _LOADS))}");
  }}
"""


@dataclass(frozen=True, slots=True)
class Library:
    """A cell library and what reports need to know of it.

    Attributes
    ----------
    name : str
        ``generic`` or the name of the file.
    text : str
        Liberty.
    areas : dict of str to float
        Area of each cell in the library's own unit: gate equivalents if generic, usually um2 otherwise.
    flip_flops : frozenset of str
        Cells that hold state.
    nand2_area : float
        Area of the smallest two-input NAND: one gate equivalent.
    inverter : str
        The smallest inverter, which drives the inputs.
    inverter_load : float
        Input capacitance of it in the library's unit; outputs drive four.
    """

    name: str
    text: str
    areas: dict[str, float]
    flip_flops: frozenset[str]
    nand2_area: float
    inverter: str
    inverter_load: float

    @property
    def generic(self) -> bool:
        """Whether delays are made up and areas gate equivalents."""
        return self.name == GENERIC

    @property
    def constraints(self) -> str:
        """What ABC is to assume of the surroundings."""
        return f"set_driving_cell {self.inverter}\nset_load {4 * self.inverter_load:g} [all_outputs]\n"


def library(name: str = GENERIC) -> Library:
    """Return the generic library, one of `KNOWN`, or the Liberty file at a path.

    Raises
    ------
    SpecError
        If there is no such file, or it lacks an inverter, a two-input NAND or a flip-flop.
    """
    if name == GENERIC:
        return _read(GENERIC, generic_text(), GENERIC)
    path = KNOWN.get(name, Path(name))
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        fix = "install qflow-tech-osu018 (Debian)" if name in KNOWN else "correct the path"
        allowed = f"{GENERIC}, {', '.join(KNOWN)} where installed, or a Liberty file"
        raise SpecError("library", f"{path} ({error.strerror})", allowed, fix) from None
    return _read(path.stem, text, str(path))


def generic_text() -> str:
    """Write the generic library."""
    cells = [_gate(name, *facts) for name, facts in _GATES.items()]
    return _HEAD + "".join(cells) + _flip_flop(*_FLIP_FLOP) + "}\n"


def _gate(name: str, area: float, pins: str, function: str, intrinsic: float) -> str:
    inputs = "".join(f"    pin ({pin}) {{ direction : input; capacitance : 1; }}\n" for pin in pins)
    arcs = "".join(f'      timing () {{ related_pin : "{pin}";\n{_tables(intrinsic)}      }}\n' for pin in pins)
    output = f'    pin (Y) {{ direction : output; max_capacitance : {_LOADS[-1]}; function : "{function}";\n{arcs}    }}\n'
    return f"  cell ({name}) {{ area : {area};\n{inputs}{output}  }}\n"


def _flip_flop(name: str, area: float, clock_to_output: float, setup_ps: float) -> str:
    setup = "".join(f'{edge}_constraint (scalar) {{ values ("{setup_ps}"); }} ' for edge in ("rise", "fall"))
    return (
        f'  cell ({name}) {{ area : {area}; ff (IQ, IQN) {{ next_state : "D"; clocked_on : "C"; }}\n'
        "    pin (C) { direction : input; clock : true; capacitance : 1; }\n"
        "    pin (D) { direction : input; capacitance : 1;\n"
        f'      timing () {{ related_pin : "C"; timing_type : setup_rising; {setup}}}\n    }}\n'
        f'    pin (Q) {{ direction : output; max_capacitance : {_LOADS[-1]}; function : "IQ";\n'
        f'      timing () {{ related_pin : "C"; timing_type : rising_edge;\n{_tables(clock_to_output)}      }}\n    }}\n  }}\n'
    )


def _tables(intrinsic: float) -> str:
    return "".join(
        _table(kind, base, slope)
        for kinds, base, slope in ((("cell_rise", "cell_fall"), intrinsic, _SLOPE),
                                   (("rise_transition", "fall_transition"), _EDGE, _EDGE_SLOPE))
        for kind in kinds
    )  # fmt: skip


def _table(kind: str, base: float, slope: float) -> str:
    rows = (", ".join(f"{UNIT_PS * (base + slope * load) + _SLEW * edge:.2f}" for load in _LOADS) for edge in _EDGES_PS)
    values = ", ".join(f'"{row}"' for row in rows)
    return f"        {kind} (grid) {{ values ({values}); }}\n"


_CELL = re.compile(r'^\s*cell\s*\(\s*"?([\w$]+)"?\s*\)', re.MULTILINE)
_AREA = re.compile(r"\barea\s*:\s*([\d.eE+-]+)")
_FUNCTION = re.compile(r'\bfunction\s*:\s*"([^"]*)"')
_LOAD = re.compile(r"\bcapacitance\s*:\s*([\d.eE+-]+)")
_STATE = re.compile(r"\b(?:ff|ff_bank)\s*\(")
_NAND2 = re.compile(r"!\(+\w+[&*]\w+\)+|\(*!\w+\)*[|+]\(*!\w+\)*")
_INVERTER = re.compile(r"!\(*\w+\)*")


def _read(name: str, text: str, where: str) -> Library:
    """Find cells, areas and functions; the tools read the rest."""
    found = list(_CELL.finditer(text))
    ends = [cell.start() for cell in found[1:]] + [len(text)] * bool(found)
    areas: dict[str, float] = {}
    flip_flops, nands, inverters = set(), [], []
    for cell, end in zip(found, ends, strict=True):
        body, kind = text[cell.end() : end], cell[1]
        area = _AREA.search(body)
        areas[kind] = float(area[1]) if area else 0.0
        functions = [re.sub(r"\s*([&*|+!()^])\s*", r"\1", given.strip()).replace(" ", "&") for given in _FUNCTION.findall(body)]
        if _STATE.search(body):
            flip_flops.add(kind)
        elif len(functions) == 1 and areas[kind]:
            bare = functions[0][1:-1] if functions[0].startswith("(") else functions[0]
            load = _LOAD.search(body)
            if _NAND2.fullmatch(bare):
                nands.append(areas[kind])
            elif _INVERTER.fullmatch(bare) and load:
                inverters.append((areas[kind], float(load[1]), kind))
    for what, there in (("an inverter", inverters), ("a two-input NAND", nands), ("a flip-flop", flip_flops)):
        if not there:
            raise SpecError("library", where, f"a Liberty file with {what}", "choose another library")
    _, load, inverter = min(inverters)
    return Library(name, text, areas, frozenset(flip_flops), min(nands), inverter, load)
