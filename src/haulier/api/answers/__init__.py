"""The meaning of an answer: from status, headers and body to what becomes of the request."""
