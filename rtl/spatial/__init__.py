"""Arrays of any connectivity, derived from `dataflows.spatial.array.SpatialArray`."""
