"""Faults, tried on every tool: what is told of them is read from the database afterwards."""
