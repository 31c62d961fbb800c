// Referee on the AXI ports of an accelerator, for simulation only: sticky faults, one bit per rule.
//
// bit 0: valid fell, or what goes with it changed, before it was taken (AXI A3.2.1), on any output channel
// bit 1: a burst longer than MOST, or not INCR, or not of full-width beats, or at an unaligned address
// bit 2: a burst across a 4 KB boundary
// bit 3: WLAST at the wrong beat, or data without an address
// bit 4: more bursts on their way than READS or WRITES
// bit 5: a response that was not asked for, or was refused, in a direction where the accelerator always takes them
// bit 6: valid during reset, from its second cycle on

// A channel keeps what it offers.
module axi_stable #(
    parameter WIDTH = 1
) (
    input  wire             clk, resetn, valid, ready,
    input  wire [WIDTH-1:0] payload,
    output reg              fault
);
    reg             waiting;
    reg [WIDTH-1:0] held;
    always @(posedge clk) begin
        waiting <= resetn && valid && !ready;
        held <= payload;
        if (!resetn) fault <= 0;
        else if (waiting && (!valid || held != payload)) fault <= 1;
    end
endmodule

module axi_monitor #(
    parameter ADDRESS = 40,
    parameter DATA = 128,
    parameter MOST = 16,
    parameter READS = 8,
    parameter WRITES = 4
) (
    input  wire               clk, resetn,
    input  wire [ADDRESS-1:0] araddr, awaddr,
    input  wire [7:0]         arlen, awlen,
    input  wire [2:0]         arsize, awsize,
    input  wire [1:0]         arburst, awburst,
    input  wire               arvalid, arready, awvalid, awready, wvalid, wready, wlast, rvalid, rready, rlast, bvalid, bready,
    input  wire [DATA-1:0]    wdata,
    input  wire [DATA/8-1:0]  wstrb,
    output wire [6:0]         faults,
    output reg  [15:0]        open_reads, open_writes,  // bursts whose address was taken and whose last response was not
    output reg  [31:0]        bursts, beats,            // read and write addresses taken, beats they ask for
    output reg  [15:0]        read_latency              // least cycles from an address taken to its first data, bus idle before
);
    localparam BYTES = DATA / 8;
    localparam SLOTS = 64;

    wire ar_fault, aw_fault, w_fault;
    axi_stable #(.WIDTH(ADDRESS + 13)) ar (
        .clk(clk), .resetn(resetn), .valid(arvalid), .ready(arready), .payload({araddr, arlen, arsize, arburst}), .fault(ar_fault));
    axi_stable #(.WIDTH(ADDRESS + 13)) aw (
        .clk(clk), .resetn(resetn), .valid(awvalid), .ready(awready), .payload({awaddr, awlen, awsize, awburst}), .fault(aw_fault));
    axi_stable #(.WIDTH(DATA + DATA / 8 + 1)) w (
        .clk(clk), .resetn(resetn), .valid(wvalid), .ready(wready), .payload({wdata, wstrb, wlast}), .fault(w_fault));

    wire ar_taken = arvalid && arready;
    wire aw_taken = awvalid && awready;
    wire w_taken = wvalid && wready;
    wire r_last = rvalid && rready && rlast;
    wire b_taken = bvalid && bready;

    function bad_shape(input [ADDRESS-1:0] addr, input [7:0] len, input [2:0] size, input [1:0] kind);
        bad_shape = {24'b0, len} >= MOST || kind != 2'b01 || (1 << size) != BYTES || (addr & (BYTES - 1)) != 0;
    endfunction
    function crosses(input [ADDRESS-1:0] addr, input [7:0] len);
        crosses = {20'b0, addr[11:0]} + ({24'b0, len} + 1) * BYTES > 4096;
    endfunction

    // Lengths announced on AW and seen on W, compared in order; either may be ahead.
    reg [7:0]  announced [0:SLOTS-1];
    reg [7:0]  seen [0:SLOTS-1];
    reg [31:0] announced_count, seen_count, compared;
    reg [7:0]  beat;
    reg [5:0]  sticky;
    reg        early;
    reg        timing, in_reset;
    reg [15:0] waited;
    assign faults = {early, sticky[5:1], sticky[0] | ar_fault | aw_fault | w_fault};

    always @(posedge clk) begin
        in_reset <= !resetn;
        if (!resetn) begin
            {sticky, open_reads, open_writes, announced_count, seen_count, compared, beat, bursts, beats} <= 0;
            if (in_reset && (arvalid || awvalid || wvalid)) early <= 1;
            timing <= 0;
            read_latency <= 16'hFFFF;
        end else begin
            if (ar_taken) sticky <= sticky | {3'b0, crosses(araddr, arlen), bad_shape(araddr, arlen, arsize, arburst), 1'b0};
            if (aw_taken) begin
                if (crosses(awaddr, awlen)) sticky[2] <= 1;
                if (bad_shape(awaddr, awlen, awsize, awburst)) sticky[1] <= 1;
                announced[announced_count % SLOTS] <= awlen;
                announced_count <= announced_count + 1;
            end
            if (w_taken) begin
                beat <= wlast ? 0 : beat + 1;
                if (wlast) begin
                    seen[seen_count % SLOTS] <= beat;
                    seen_count <= seen_count + 1;
                end
                if (!wlast && {24'b0, beat} + 1 >= MOST) sticky[3] <= 1;
            end
            if (compared != announced_count && compared != seen_count) begin
                if (announced[compared % SLOTS] != seen[compared % SLOTS]) sticky[3] <= 1;
                compared <= compared + 1;
            end
            open_reads <= open_reads + ar_taken - r_last;
            open_writes <= open_writes + aw_taken - b_taken;
            if (open_reads > READS || open_writes > WRITES) sticky[4] <= 1;
            if ((rvalid && open_reads == 0) || (bvalid && open_writes == 0) || (rvalid && !rready) || (bvalid && !bready))
                sticky[5] <= 1;
            if (ar_taken && open_reads == 0) begin
                timing <= 1;
                waited <= 1;
            end else if (timing) begin
                waited <= waited + 1;
                if (rvalid) begin
                    timing <= 0;
                    if (waited < read_latency) read_latency <= waited;
                end
            end
            bursts <= bursts + ar_taken + aw_taken;
            beats <= beats + (ar_taken ? arlen + 1 : 0) + (aw_taken ? awlen + 1 : 0);
        end
    end
    initial {early, in_reset} = 0;
endmodule
