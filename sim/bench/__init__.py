"""Benches: Verilog tops and the cocotb side that drives them."""
