"""Work items: what they are, their bytes, their keys, and the ranges and windows that they carry. Pure."""
