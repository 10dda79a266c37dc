"""Cameras, stylized while they run: capture, painting, and what is shown of it."""
