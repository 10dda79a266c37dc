"""Many films: found, named, and rendered by the cores, cards and machines that there are."""
