"""Records that the source has no longer: found, carried by their keys, erased."""
