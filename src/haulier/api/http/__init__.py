"""The seam between haulier and HTTP, and what URLs and headers say."""
