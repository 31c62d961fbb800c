"""The complete accelerator round an array of any connectivity: buffers, placement, program, exact cycles and counts."""
