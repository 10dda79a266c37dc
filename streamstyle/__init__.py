"""Stylise films and webcams with neural networks.

Importing this package imports neither torch nor av: `streamstyle --help` has to answer at once.
"""

__version__ = "0.1.0"
