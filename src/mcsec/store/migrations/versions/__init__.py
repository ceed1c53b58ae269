"""One file for each schema, in order. A file that was released never changes."""
