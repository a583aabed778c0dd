"""Azure Storage Queue, shared by the workers of any number of machines."""
