"""The AXI shell: registers, descriptor queue, counters and the AXI4 master round an accelerator's native port."""
