"""The register map is one source: well formed, and the same in the manual, the C header and params.json."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.arch import Accelerator, Array, Memory
from dataflows.axi import AxiOptions
from dataflows.counters import parameters
from dataflows.errors import SpecError
from dataflows.registers import (
    CAPTURE_CYCLES,
    ERROR_CODES,
    LAST_OFFSET,
    MAP_BYTES,
    PARAMETER_OFFSET,
    Register,
    control_registers,
    counter_offsets,
    describe_registers,
    markdown_map,
    parameter_registers,
)
from rtl.accelerator.top import ERROR_PROGRAM
from rtl.emit import run_yosys
from rtl.shell.export import export_axi
from tests.rtl.lint import lint

MANUAL = Path(__file__).resolve().parents[3] / "docs/axi.md"
AXI = AxiOptions()
ON_PURPOSE = ("-Wno-CASEOVERLAP", "-Wno-WIDTHTRUNC")


def design(**changes: int) -> Accelerator:
    return Accelerator("design", Array(3, 2, "os"), Memory(**changes), post_lanes=2)


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return export_axi(design(), AXI)


def everything(axi: AxiOptions) -> list[Register]:
    return [*control_registers(axi), *parameter_registers(design(), axi)]


@given(st.builds(AxiOptions, address_bits=st.integers(32, 64), queue_depth=st.integers(1, 64)))
def test_nothing_overlaps(axi: AxiOptions) -> None:
    offsets = [register.offset for register in everything(axi)]
    offsets += [offset + part for offset in counter_offsets().values() for part in (0, 4)]
    assert len(set(offsets)) == len(offsets)
    assert all(offset % 4 == 0 and offset < MAP_BYTES for offset in offsets)
    assert max(register.offset for register in everything(axi)) < LAST_OFFSET
    for register in everything(axi):
        bits = [bit for field in register.fields for bit in range(field.low, field.low + field.width)]
        assert len(set(bits)) == len(bits)
        assert all(bit < 32 for bit in bits)
        actions = {field.access == "wo" for field in register.fields}
        assert len(actions) <= 1, "a register has actions only, or none"


@pytest.mark.parametrize("wrong", [{"queue_depth": 0}, {"burst_beats": 257}, {"address_bits": 31}, {"id_bits": 0}])
def test_options_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(SpecError, match=next(iter(wrong))):
        AxiOptions(**wrong)


def test_error_codes_are_the_accelerators_own() -> None:
    assert ERROR_CODES["program"] == ERROR_PROGRAM
    assert len(set(ERROR_CODES.values())) == len(ERROR_CODES)


def test_the_manual_shows_the_map() -> None:
    text = MANUAL.read_text()
    (shown,) = re.findall(r"<!-- registers.*? -->\n(.*?)<!-- end -->", text, re.DOTALL)
    assert shown == markdown_map(AXI)
    for name, value in AXI.to_dict().items():
        assert f"| `{name}` | {value} |" in text
    assert f"\n{CAPTURE_CYCLES} more cycles" in text


def test_the_map_of_a_design_shows_its_constants(files: dict[str, str]) -> None:
    for offset, (name, value) in enumerate(parameters(design())):
        assert f"| 0x{PARAMETER_OFFSET + 4 * offset:03X} | {name} | {value} |" in files["registers.md"]


@pytest.mark.skipif(shutil.which("g++") is None, reason="no compiler")
def test_the_header_compiles_with_the_manuals_example(files: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "systolith_params.h").write_text(files["systolith_params.h"])
    (example,) = re.findall(r"```c\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    checks = []
    for register in everything(AXI):
        name = f"DESIGN_REG_{register.name.upper()}"
        checks.append(f'static_assert({name} == {register.offset}, "{name}");')
        for field in register.fields:
            if field.width < 32:
                bits = name if field.name == "value" else f"{name}_{field.name.upper()}"
                checks.append(f'static_assert({bits}_MASK >> {bits}_BIT == {(1 << field.width) - 1}, "{bits}");')
                checks.append(f'static_assert({bits}_BIT == {field.low}, "{bits}");')
    checks += [f'static_assert(DESIGN_REG_{name.upper()} == {offset}, "");' for name, offset in counter_offsets().items()]
    use = "unsigned use(const unsigned *p) { return run_layers(0x1000, p, 3); }"
    source = tmp_path / "host.cpp"
    source.write_text("\n".join([example, use, *checks]))
    command = ["g++", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_shell_lints_and_keeps_the_accelerator_as_it_is(files: dict[str, str], tmp_path: Path) -> None:
    top = "design_accelerator_axi"
    text = files["sram_1r1w.v"] + files["accelerator.v"] + files["accelerator_axi.v"]
    verdict = lint(text, top, tmp_path, *ON_PURPOSE)
    assert verdict.returncode == 0, verdict.stderr
    names = re.findall(r"^module (\S+)\(", text, re.MULTILINE)
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"design_\w+|sram_1r1w", name) for name in names)
    ports = re.search(rf"^module {top}\((.*?)\);", text, re.MULTILINE | re.DOTALL)
    assert ports
    assert all(re.fullmatch(r"aclk|aresetn|irq|s_axil_\w+|m_axi_\w+", port.strip()) for port in ports[1].split(","))


def test_no_output_depends_on_an_input_in_the_same_cycle(files: dict[str, str]) -> None:
    """AXI A3.2.1: valid may not wait for ready; here nothing at all passes through but by a register."""
    registers = "$dff,$sdff,$dffe,$sdffe,$sdffce,$mem_v2,$memrd_v2,sram_1r1w,design_accelerator"
    script = [
        "read_verilog -lib sram_1r1w.v", "read_verilog -lib accelerator.v", "read_verilog accelerator_axi.v",
        "hierarchy -check -top design_accelerator_axi", "proc", "flatten", "opt_clean",
        f"tee -o through select -list o:* %ci*:-{registers} i:* %i",
        "tee -o over_time select -list o:* %ci* i:* %i",
    ]  # fmt: skip
    sources = {name: files[name] for name in ("sram_1r1w.v", "accelerator.v", "accelerator_axi.v")}
    found, _log = run_yosys(script, sources, ["through", "over_time"])
    assert "m_axi_rdata" in found["over_time"]
    assert found["through"].split() == []


def test_files_name_the_axi_top(files: dict[str, str]) -> None:
    params = json.loads(files["params.json"])
    assert params["axi"]["top"] == "design_accelerator_axi"
    assert {key: params["axi"][key] for key in AXI.to_dict()} == AXI.to_dict()
    described = describe_registers(design(), AXI)
    assert {key: params["axi"][key] for key in described} == json.loads(json.dumps(described))
    assert "toplevel: design_accelerator_axi" in files["accelerator.core"]
    assert files["accelerator.f"].split() == ["sram_1r1w.v", "accelerator.v", "accelerator_axi.v"]
    assert all(name in files["accelerator.core"] for name in files["accelerator.f"].split())
