"""The inside of the loader: making batches, fetching items, worker processes."""
