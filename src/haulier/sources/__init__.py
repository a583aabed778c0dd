"""Where work items and their pages come from. Knows neither queue nor lake."""
