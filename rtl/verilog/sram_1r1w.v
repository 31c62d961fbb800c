// Memory with one write port and one read port on one clock; infers block RAM.
//
// A read started in one cycle (re = 1) shows its word on rdata in the next, where it stays until another read is
// started. A read of the address being written in the same cycle returns the old word. Nothing is reset.
module sram_1r1w #(
    parameter DEPTH = 16,
    parameter WIDTH = 8,
    parameter AW = 4
) (
    input wire clk,
    input wire we,
    input wire [AW-1:0] waddr,
    input wire [WIDTH-1:0] wdata,
    input wire re,
    input wire [AW-1:0] raddr,
    output reg [WIDTH-1:0] rdata
);

    reg [WIDTH-1:0] cells [0:DEPTH-1];

    always @(posedge clk) begin
        if (we)
            cells[waddr] <= wdata;
        if (re)
            rdata <= cells[raddr];
    end

endmodule
