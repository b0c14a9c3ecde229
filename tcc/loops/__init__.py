"""The loop IR: programs of loops over buffers, their text, their rules, their meaning."""
