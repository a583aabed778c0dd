"""The lake: create-only objects and records, spools of items under way, and the paths of all of them."""
