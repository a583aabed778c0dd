"""The Azure storage account behind queues and lakes, and its credentials."""
