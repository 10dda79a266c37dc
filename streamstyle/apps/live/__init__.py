"""Live cameras: capture, stylizing, display and outputs."""
