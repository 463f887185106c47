"""A small world of genuinely trained toy generators: their photographs, architectures, training, and repositories.

They reconstruct crops of photographs, each family by its own way of making high frequencies; none draws from text.
"""
