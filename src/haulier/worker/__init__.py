"""The worker: it alone settles a lease, names a path and publishes an object."""
