"""Paging: from one page of a list to the next."""
