"""The lake in a folder of a local disk."""
