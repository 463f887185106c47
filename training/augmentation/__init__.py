"""What may happen to an image before a detector sees it: operations on uint8 pixels [H, W, 3], and their draws."""
