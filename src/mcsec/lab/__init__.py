"""Several entities on one machine: the demo's story, and measurements."""
