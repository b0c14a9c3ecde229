"""Foreign programs to graphs, one folder for each kind."""
