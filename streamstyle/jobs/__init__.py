"""Renders as jobs: built from their settings, run, resumed, and run again."""
