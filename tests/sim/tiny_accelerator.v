// Reads 16 beats from program_addr, adds one to each, writes them to the 16 beats behind: all its cycles are known.
module accelerator (
    input  wire         clk, rst, start,
    input  wire [31:0]  program_addr,
    output wire         busy,
    output reg          done,
    output wire [7:0]   error,
    input  wire [5:0]   counter_index,
    output reg  [47:0]  counter_value,
    output wire         mem_req_valid,
    input  wire         mem_req_ready,
    output wire         mem_req_write,
    output wire [31:0]  mem_req_addr,
    output wire [127:0] mem_req_data,
    input  wire         mem_rsp_valid,
    input  wire [127:0] mem_rsp_data
);
    reg [127:0] held [0:15];
    reg [31:0]  base;
    reg [5:0]   asked, got, written;
    reg         running;
    reg [47:0]  jobs;

    wire reading = running && asked != 16;
    wire writing = running && got == 16;
    assign mem_req_valid = reading || (writing && written != 16);
    assign mem_req_write = !reading;
    assign mem_req_addr = reading ? base + asked : base + 16 + written;
    assign mem_req_data = held[written[3:0]] + 1;
    assign busy = running;
    assign error = held[15][7:0];

    always @(posedge clk) begin
        counter_value <= counter_index == 63 ? 48'hFFFF_FFFF_FFFF : counter_index == 0 ? jobs : counter_index * 3;
        done <= 0;
        if (rst) begin
            running <= 0;
            jobs <= 0;
        end else if (!running) begin
            if (start) begin
                running <= 1;
                base <= program_addr;
                asked <= 0;
                got <= 0;
                written <= 0;
                jobs <= jobs + 1;
            end
        end else begin
            if (mem_req_valid && mem_req_ready) begin
                if (reading) asked <= asked + 1;
                else begin
                    written <= written + 1;
                    if (written == 15) begin
                        running <= 0;
                        done <= 1;
                    end
                end
            end
            if (mem_rsp_valid) begin
                held[got[3:0]] <= mem_rsp_data;
                got <= got + 1;
            end
        end
    end
endmodule
