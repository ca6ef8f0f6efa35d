"""The ``dragoman`` command: one module per verb."""
