"""Records, cut out of the bodies of answers as the bytes that the API sent."""
