"""From a sampled set to labels: choose configurations, write them for others, or label them."""
