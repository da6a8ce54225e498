"""Which adapter stands behind each port, and what use cases need: a module for each folder of the core, and `web`."""
