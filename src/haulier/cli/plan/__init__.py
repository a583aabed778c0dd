"""What a run will take and cost, before anything is enqueued, and what it took."""
