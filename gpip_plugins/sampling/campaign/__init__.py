"""From settings to a sampled database: plan, tasks, workers, shards, merging."""
