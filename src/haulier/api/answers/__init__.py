"""What an answer means for its request."""
