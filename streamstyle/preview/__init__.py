"""Contact sheets that preview an effect before anything is rendered."""
