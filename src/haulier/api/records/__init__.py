"""Records, cut out of answers as the bytes that were sent."""
