"""Jobs whose result is fetched later."""
