"""From one page to the next: the kinds of paging, the walk over a list, and the checks that it came whole."""
