"""Golden models: what the hardware must compute, as short NumPy integer code."""
