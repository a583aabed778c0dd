"""A TOML source file and the environment, read into typed settings. Every error names file, key and what to write."""
