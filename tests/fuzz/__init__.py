"""Fuzz targets for every decoder that meets the network, and the driver that runs them for a bounded time."""
