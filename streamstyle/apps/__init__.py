"""The applications: the command line, live cameras, and the web page."""
