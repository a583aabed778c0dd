"""The command line. Each command is one file; what it does is done by the layers below."""
