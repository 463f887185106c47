"""What the demo needs: a local Hub server and a set of real photographs."""
