"""The Verilog top of the accelerator bench: accelerator, behavioural DRAM, and a referee that starts, times and stops."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dataflows.errors import SpecError

TOP = "bench"
COUNTERS = 64
COUNTER_BITS = 48
MIN_DEPTH = 1 << 18  # beats; smaller jobs share one build
PORTS = (
    "clk", "rst", "go", "finished", "timed_out", "error", "cycles", "counters", "fault", "file_fault",
    "cfg_program_addr", "cfg_base", "cfg_latency", "cfg_interval", "cfg_stall", "cfg_pause", "cfg_seed", "cfg_timeout",
    "load", "load_beats", "dump", "dump_first", "dump_beats",
)  # fmt: skip

_BENCH = """
// Start, time and stop an accelerator. `go` (a rising edge) gives it one start pulse; `finished` rises after `done` or
// after cfg_timeout cycles, when all counters have been read.
module bench (
    input  wire         clk, rst, go,
    output reg          finished, timed_out,
    output reg  [7:0]   error,
    output reg  [47:0]  cycles,    // from the cycle of the start pulse to the cycle of done
    output reg  [@COUNTERS_MSB@:0] counters,  // counter 0 in the low bits
    output wire [2:0]   fault,     // see dram; bit 2: a request taken outside start .. done
    output wire         file_fault,
@INPUTS@    input  wire [31:0]  cfg_program_addr,
    input  wire [31:0]  cfg_base,  // beat address of the first beat of the memory
    input  wire [15:0]  cfg_latency, cfg_interval, cfg_stall, cfg_pause,
    input  wire [31:0]  cfg_seed,
    input  wire [47:0]  cfg_timeout,
    input  wire         load, dump,
    input  wire [31:0]  load_beats, dump_first, dump_beats
);
    localparam IDLE = 0, START = 1, RUN = 2, SWEEP = 3;
    reg [1:0] state;
    reg       went;    // go a cycle ago
    reg       settle;  // second cycle of a counter index: a registered counter_value has arrived
    reg       stray;
    reg [5:0] index;

    wire        start = state == START;
    wire        active = state == START || state == RUN;
    wire        busy, done;
    wire [7:0]  error_now;
    wire [47:0] counter_value;
    wire        req_valid, req_ready, req_write, rsp_valid;
    wire [31:0] req_addr;
    wire [@MSB@:0] req_data, rsp_data;
    wire [1:0]  port_fault;

    always @(posedge clk) begin
        went <= go;
        if (rst) begin
            state <= IDLE;
            finished <= 0;
            timed_out <= 0;
            error <= 0;
            cycles <= 0;
            stray <= 0;
            settle <= 0;
            index <= 0;
            went <= 1;
        end else begin
            if (active) begin
                if (done) error <= error_now;
                else if (cycles < cfg_timeout) cycles <= cycles + 1;
                if (done || cycles >= cfg_timeout) begin
                    state <= SWEEP;
                    timed_out <= !done;
                    index <= 0;
                    settle <= 0;
                end else state <= RUN;
            end else if (state == SWEEP) begin
                settle <= !settle;
                if (settle) begin
                    counters[48 * index +: 48] <= counter_value;
                    index <= index + 1;
                    if (index == @LAST@) begin
                        state <= IDLE;
                        finished <= 1;
                    end
                end
            end else if (go && !went) begin
                state <= START;
                cycles <= 0;
                finished <= 0;
                timed_out <= 0;
            end
            // A timed-out run keeps going: its requests say nothing.
            if (req_valid && req_ready && !active && !timed_out) stray <= 1;
        end
    end
    assign fault = {stray, port_fault};

    @DUT@ dut (
@WIRES@        .clk(clk), .rst(rst), .start(start), .program_addr(cfg_program_addr), .busy(busy), .done(done), .error(error_now),
        .counter_index(index), .counter_value(counter_value),
        .mem_req_valid(req_valid), .mem_req_ready(req_ready), .mem_req_write(req_write), .mem_req_addr(req_addr),
        .mem_req_data(req_data), .mem_rsp_valid(rsp_valid), .mem_rsp_data(rsp_data)
    );

    dram #(.WIDTH(@WIDTH@), .DEPTH(@DEPTH@)) memory (
        .clk(clk), .rst(rst), .cfg_latency(cfg_latency), .cfg_interval(cfg_interval), .cfg_stall(cfg_stall),
        .cfg_pause(cfg_pause),
        .cfg_seed(cfg_seed), .req_valid(req_valid), .req_ready(req_ready), .req_write(req_write),
        .req_addr(req_addr - cfg_base),
        .req_data(req_data), .rsp_valid(rsp_valid), .rsp_data(rsp_data), .load(load), .load_beats(load_beats),
        .dump(dump), .dump_first(dump_first), .dump_beats(dump_beats), .fault(port_fault), .file_fault(file_fault)
    );
endmodule
"""


def bench_verilog(
    accelerator: str, *, bus_bytes: int, depth_beats: int, dut: str = "accelerator", inputs: Mapping[str, int] | None = None
) -> str:
    """Return the Verilog of the whole bench.

    Parameters
    ----------
    accelerator : str
        Verilog with a module `dut`: ports ``clk rst start program_addr[32] busy done error[8]
        counter_index[6] counter_value[48]`` and the native memory port (docs/hardware.md).
    bus_bytes : int
        Bytes per beat, a power of two from 4.
    depth_beats : int
        Beats of memory needed; rounded up to a power of two, 2**18 at least, so that few builds serve many layers.
    dut : str
        See `accelerator`.
    inputs : mapping of str to int
        More inputs of `dut` and their widths; the bench has them too.
    """
    if bus_bytes < 4 or bus_bytes & (bus_bytes - 1):
        raise SpecError("bus_bytes", bus_bytes, "a power of two from 4", "round it")
    depth = max(MIN_DEPTH, 1 << (depth_beats - 1).bit_length())
    values = {
        "MSB": 8 * bus_bytes - 1, "WIDTH": 8 * bus_bytes, "DEPTH": depth, "LAST": COUNTERS - 1,
        "DUT": dut, "COUNTERS_MSB": COUNTERS * COUNTER_BITS - 1,
        "INPUTS": "".join(f"    input  wire [{width - 1}:0] {name},\n" for name, width in (inputs or {}).items()),
        "WIRES": "".join(f"        .{name}({name}),\n" for name in inputs or {}),
    }  # fmt: skip
    text = _BENCH
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return "\n".join([accelerator, (Path(__file__).parents[1] / "verilog" / "dram.v").read_text(), text])
