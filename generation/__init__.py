"""Sampling images from untrusted text-to-image models, one child process a model."""
