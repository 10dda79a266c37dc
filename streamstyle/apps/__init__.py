"""The programs: the command line, live cameras, the page for the browser."""
