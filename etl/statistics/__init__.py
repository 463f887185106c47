"""Measures of diversity over counts."""
