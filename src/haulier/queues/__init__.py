"""Durable work queues behind one seam. A backend knows nothing of poison, backoff or failure counts."""
