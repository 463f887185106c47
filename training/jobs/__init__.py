"""Jobs of training, one file each; nobody imports them."""
