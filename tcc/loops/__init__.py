"""The loop IR: programs of loops over buffers, their text, rules and meaning, and the machines that they are for."""
