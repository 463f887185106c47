"""Jobs of generation, one file each; nobody imports them."""
