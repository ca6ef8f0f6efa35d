"""Between files and batches: formats read and written, names, the note of what was published."""
