"""Contact sheets that show what an effect does before anything is rendered."""
