"""One module for each command, by its name; `haulier.cli.main` imports the one that is run."""
