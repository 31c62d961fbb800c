"""Mappers of loop nests on architectures (cost mode ``timeloop``)."""
