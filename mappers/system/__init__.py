"""Mappers of systems: memory round a spatial array of any connectivity."""
