"""From settings to a sampled database: tasks, workers, shards."""
