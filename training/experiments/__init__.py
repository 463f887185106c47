"""Experiments over training sets: a grid of cells, each a training set that detectors learn and are judged by."""
