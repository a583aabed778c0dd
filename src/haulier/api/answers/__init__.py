"""From status, headers and body of an answer to what becomes of the request."""
