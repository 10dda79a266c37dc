"""`stylize`: feed-forward style networks, made temporally consistent on videos."""
