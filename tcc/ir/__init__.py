"""The graph IR: types, sizes, graphs, op records, forms, text form, verifier and interpreter."""
