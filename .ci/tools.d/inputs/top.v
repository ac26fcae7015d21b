// A blinker with a small state machine and a multiplier, so that several kinds of cell are used.
module top(input clk, input button, output reg [7:0] led);
    reg [23:0] counter = 0;
    reg [7:0] a = 8'h35, b = 8'h1d;
    reg [15:0] product = 0;
    wire tick = counter == 24'd11999999;
    always @(posedge clk) begin
        counter <= tick ? 24'd0 : counter + 24'd1;
        product <= a * b;
        if (tick) begin
            a <= {a[6:0], a[7] ^ a[5] ^ a[4] ^ a[3]};
            b <= button ? b + 8'd3 : b;
            led <= product[15:8] ^ product[7:0];
        end
    end
endmodule
