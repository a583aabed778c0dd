"""The lake in a container of Azure Blob Storage or Data Lake Storage Gen2."""
