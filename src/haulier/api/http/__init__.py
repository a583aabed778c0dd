"""The seam between haulier and HTTP, URLs and headers."""
