"""The queue in a SQLite file on a local disk, shared by the processes of one machine."""
