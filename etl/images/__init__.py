"""Images: where they come from, how they are decoded in safety, measured and split. Pure functions."""
