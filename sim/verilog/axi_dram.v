// Behavioural memory on AXI4, for simulation only: the accelerator's long runs, without a model in Python behind every beat.
//
// The first beat of a read burst comes cfg_latency cycles (2 or more) after its address was taken, further beats and further
// bursts without a gap where they are due; write data are taken from the cycle of their address on, the answer comes two cycles
// after the last beat. A beat per direction and cycle. ID and order: as bursts come. Addresses below cfg_base or beyond DEPTH beats answer DECERR.
// load and dump: as in dram.v.

module axi_dram #(
    parameter ADDRESS = 40,
    parameter DATA = 128,
    parameter ID = 4,
    parameter DEPTH = 65536,  // beats, a power of two
    parameter QUEUE = 128     // bursts, a power of two
) (
    input  wire               clk, resetn,
    input  wire [15:0]        cfg_latency,
    input  wire [ADDRESS-1:0] cfg_base,
    input  wire [ID-1:0]      arid, awid,
    input  wire [ADDRESS-1:0] araddr, awaddr,
    input  wire [7:0]         arlen, awlen,
    input  wire               arvalid, awvalid, wvalid, wlast, rready, bready,
    input  wire [DATA-1:0]    wdata,
    input  wire [DATA/8-1:0]  wstrb,
    output wire               arready, awready, wready,
    output reg                rvalid, rlast, bvalid,
    output reg  [DATA-1:0]    rdata,
    output reg  [1:0]         rresp, bresp,
    output reg  [ID-1:0]      rid, bid,
    input  wire               load, dump,
    input  wire [31:0]        load_beats, dump_first, dump_beats,
    output reg                file_fault
);
    localparam BYTES = DATA / 8;
    localparam BEAT = $clog2(DEPTH);
    localparam SLOT = $clog2(QUEUE);
    localparam SHIFT = $clog2(BYTES);

    reg [DATA-1:0] mem [0:DEPTH-1];

    reg [ADDRESS-1:0] read_addr [0:QUEUE-1];
    reg [7:0]         read_len [0:QUEUE-1];
    reg [ID-1:0]      read_id [0:QUEUE-1];
    reg [31:0]        read_due [0:QUEUE-1];
    reg [SLOT:0]      read_head, read_tail;
    reg [7:0]         read_beat;

    reg [ADDRESS-1:0] write_addr [0:QUEUE-1];
    reg [ID-1:0]      write_id [0:QUEUE-1];
    reg [SLOT:0]      write_head, write_tail, answer_head;
    reg [1:0]         answer [0:QUEUE-1];
    reg [31:0]        answer_due [0:QUEUE-1];
    reg [7:0]         write_beat;
    reg               write_bad;

    reg [31:0] now;
    reg [ADDRESS-1:0] at;
    integer i, fd, got;
    initial file_fault = 0;

    wire [SLOT:0] reads = read_tail - read_head;
    wire [SLOT:0] writes = write_tail - answer_head;
    assign arready = reads < QUEUE - 1;
    assign awready = writes < QUEUE - 1;
    assign wready = write_head != write_tail || (awvalid && awready);

    wire [SLOT-1:0] rh = read_head[SLOT-1:0];
    wire [SLOT-1:0] wh = write_head[SLOT-1:0];
    wire [SLOT-1:0] ah = answer_head[SLOT-1:0];

    // Blocking assignments to memory and queues, all in this block; outputs are non-blocking.
    always @(posedge clk) begin
        if (!resetn) begin
            now = 0;
            read_head <= 0;
            read_tail <= 0;
            read_beat <= 0;
            write_head <= 0;
            write_tail <= 0;
            answer_head <= 0;
            write_beat <= 0;
            write_bad <= 0;
            rvalid <= 0;
            bvalid <= 0;
        end else begin
            if (awvalid && awready) begin
                write_addr[write_tail[SLOT-1:0]] = awaddr;
                write_id[write_tail[SLOT-1:0]] = awid;
                write_tail <= write_tail + 1;
            end
            if (wvalid && wready) begin
                at = (write_addr[wh] - cfg_base >> SHIFT) + {{(ADDRESS-8){1'b0}}, write_beat};
                write_bad <= !wlast && (write_bad || write_addr[wh] < cfg_base || at >= DEPTH);
                if (write_addr[wh] >= cfg_base && at < DEPTH)
                    for (i = 0; i < BYTES; i = i + 1) if (wstrb[i]) mem[at[BEAT-1:0]][8*i +: 8] = wdata[8*i +: 8];
                write_beat <= wlast ? 0 : write_beat + 1;
                if (wlast) begin
                    answer[wh] = write_bad || write_addr[wh] < cfg_base || at >= DEPTH ? 2'b11 : 2'b00;
                    answer_due[wh] = now + 1;
                    write_head <= write_head + 1;
                end
            end
            if (!bvalid || bready) begin
                bvalid <= answer_head != write_head && answer_due[ah] <= now;
                if (answer_head != write_head && answer_due[ah] <= now) begin
                    bresp <= answer[ah];
                    bid <= write_id[ah];
                    answer_head <= answer_head + 1;
                end
            end
            if (!rvalid || rready) begin
                rvalid <= read_head != read_tail && read_due[rh] <= now;
                if (read_head != read_tail && read_due[rh] <= now) begin
                    at = (read_addr[rh] - cfg_base >> SHIFT) + {{(ADDRESS-8){1'b0}}, read_beat};
                    rdata <= mem[at[BEAT-1:0]];
                    rresp <= read_addr[rh] < cfg_base || at >= DEPTH ? 2'b11 : 2'b00;
                    rid <= read_id[rh];
                    rlast <= read_beat == read_len[rh];
                    read_beat <= read_beat == read_len[rh] ? 0 : read_beat + 1;
                    if (read_beat == read_len[rh]) read_head <= read_head + 1;
                end
            end
            if (arvalid && arready) begin
                read_addr[read_tail[SLOT-1:0]] = araddr;
                read_len[read_tail[SLOT-1:0]] = arlen;
                read_id[read_tail[SLOT-1:0]] = arid;
                read_due[read_tail[SLOT-1:0]] = now + {16'b0, cfg_latency} - 1;
                read_tail <= read_tail + 1;
            end
            now = now + 1;
        end

        if (load && load_beats != 0) begin
            fd = $fopen("load.bin", "rb");
            if (fd == 0) file_fault <= 1;
            else begin
                got = $fread(mem, fd, 0, load_beats);
                if (got != load_beats * BYTES) file_fault <= 1;
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
endmodule
