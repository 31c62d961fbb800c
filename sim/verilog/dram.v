// Behavioural DRAM behind the native memory port (docs/hardware.md), for simulation only.
//
// A request is taken in a cycle where valid and ready are 1. With cfg_stall = 0:
//   - after a request taken in cycle t, ready is 0 until cycle t + cfg_interval;
//   - data of a read taken in cycle t are on rsp in cycle t + cfg_latency, as memory was when it was taken.
// With cfg_stall = s > 0, ready is withheld in a random s / 65536 of cycles, and the same share of reads comes up to 63
// cycles late; order is kept. With cfg_pause = p > 0, no read data come in the first p of every 1024 cycles, while requests
// are still taken; then those that have piled up come without a gap, as after a refresh. Only values mean something then.
// ready never depends on valid in the same cycle.
//
// load and dump move beats from "load.bin" and to "dump.bin" in the working directory, in one cycle and without the
// port. Files hold beats as $fread and %u want them: load.bin most significant byte first, dump.bin as little-endian
// 32-bit words, least significant first (the same as little-endian bytes).

module dram #(
    parameter WIDTH = 128,  // bits per beat, a multiple of 32
    parameter DEPTH = 65536,  // beats, a power of two
    parameter QUEUE = 2048  // reads in flight, a power of two: above the largest latency plus twice the random delay
) (
    input  wire             clk,
    input  wire             rst,
    input  wire [15:0]      cfg_latency,   // 1 to 1000
    input  wire [15:0]      cfg_interval,  // 1 or more
    input  wire [15:0]      cfg_stall,
    input  wire [15:0]      cfg_pause,
    input  wire [31:0]      cfg_seed,
    input  wire             req_valid,
    output wire             req_ready,
    input  wire             req_write,
    input  wire [31:0]      req_addr,
    input  wire [WIDTH-1:0] req_data,
    output reg              rsp_valid,
    output reg  [WIDTH-1:0] rsp_data,
    input  wire             load,
    input  wire [31:0]      load_beats,
    input  wire             dump,
    input  wire [31:0]      dump_first,
    input  wire [31:0]      dump_beats,
    output reg  [1:0]       fault,         // bit 0: a waiting request changed or went away; bit 1: address beyond DEPTH
    output reg              file_fault     // load.bin or dump.bin could not be used
);
    localparam BEAT = $clog2(DEPTH);
    localparam SLOT = $clog2(QUEUE);

    reg [WIDTH-1:0] mem [0:DEPTH-1];

    // Reads in flight: data and the cycle before which they may not leave.
    reg [WIDTH-1:0] queue_data [0:QUEUE-1];
    reg [31:0]      queue_due  [0:QUEUE-1];
    reg [SLOT:0]    head, tail, in_flight;

    reg [31:0] now;       // cycles since reset
    reg [15:0] cooldown;  // cycles until the interval has passed
    reg        refuse;
    reg [31:0] random;
    reg [31:0] delay;
    integer fd, got, i;
    initial file_fault = 0;

    assign req_ready = cooldown == 0 && !refuse;
    wire taken = req_valid && req_ready;

    // Memory and queue are written with blocking assignments in this one block: a read with latency 1 enters and leaves
    // at the same edge.
    always @(posedge clk) begin
        if (rst) begin
            now = 0;
            head = 0;
            tail = 0;
            random = cfg_seed == 0 ? 32'h1 : cfg_seed;
            cooldown <= 0;
            refuse <= 0;
            rsp_valid <= 0;
        end else begin
            random = random ^ (random << 13);
            random = random ^ (random >> 17);
            random = random ^ (random << 5);

            if (taken && req_write) mem[req_addr[BEAT-1:0]] = req_data;
            if (taken && !req_write) begin
                delay = random[31:16] < cfg_stall ? {26'b0, random[5:0]} : 0;
                queue_data[tail[SLOT-1:0]] = mem[req_addr[BEAT-1:0]];
                queue_due[tail[SLOT-1:0]] = now + {16'b0, cfg_latency} - 1 + delay;
                tail = tail + 1;
            end
            if (taken) cooldown <= cfg_interval - 1;
            else if (cooldown != 0) cooldown <= cooldown - 1;
            in_flight = tail - head;
            refuse <= random[15:0] < cfg_stall || in_flight >= QUEUE - 2;

            if (head != tail && queue_due[head[SLOT-1:0]] <= now && {6'b0, now[9:0]} >= cfg_pause) begin
                rsp_valid <= 1;
                rsp_data <= queue_data[head[SLOT-1:0]];
                head = head + 1;
            end else rsp_valid <= 0;
            now = now + 1;
        end

        if (load && load_beats != 0) begin
            fd = $fopen("load.bin", "rb");
            if (fd == 0) file_fault <= 1;
            else begin
                got = $fread(mem, fd, 0, load_beats);
                if (got != load_beats * (WIDTH / 8)) file_fault <= 1;
                $fclose(fd);
            end
        end
        if (dump && dump_beats != 0) begin
            fd = $fopen("dump.bin", "wb");
            if (fd == 0) file_fault <= 1;
            else begin
                for (i = 0; i < dump_beats; i = i + 1) $fwrite(fd, "%u", mem[dump_first[BEAT-1:0] + i[BEAT-1:0]]);
                $fclose(fd);
            end
        end
    end

    // The master's side of the contract.
    reg             waiting, held_write;
    reg [31:0]      held_addr;
    reg [WIDTH-1:0] held_data;
    always @(posedge clk) begin
        waiting <= !rst && req_valid && !req_ready;
        if (req_valid && !req_ready) begin
            held_write <= req_write;
            held_addr <= req_addr;
            held_data <= req_data;
        end
        if (rst) fault <= 0;
        else begin
            if (waiting && (!req_valid || held_write != req_write || held_addr != req_addr
                            || (req_write && held_data != req_data))) fault[0] <= 1;
            if (taken && req_addr >= DEPTH) fault[1] <= 1;
        end
    end
endmodule
