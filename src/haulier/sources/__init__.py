"""Recipes as work items and pages. Knows neither queue nor lake."""
