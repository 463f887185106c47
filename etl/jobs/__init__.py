"""Spark jobs, one file each; nobody imports them."""
