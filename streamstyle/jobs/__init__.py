"""Render jobs: built from settings, run, resumed, and rerun from an output's provenance."""
