"""What `haulier status` shows, once or until the run is closed."""
