"""What `haulier deploy` prints: the YAML of a fleet, for each platform."""
