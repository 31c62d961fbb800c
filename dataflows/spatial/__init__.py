"""Arrays of any connectivity: what is fixed in hardware, what a layer's program chooses, and the exact cycles."""
