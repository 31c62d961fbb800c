"""Branch and bound over loop nests: lower bounds that decompose level by level, and the search that they prune."""
