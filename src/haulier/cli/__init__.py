"""The command line: commands, output, progress and signals."""
