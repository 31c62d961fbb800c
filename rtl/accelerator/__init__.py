"""The accelerator round the array: program, sequencer, load, compute, post-process and store engines."""
