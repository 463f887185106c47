"""Fake-image detectors: loading, augmentation, training, scoring, metrics and tracking."""
