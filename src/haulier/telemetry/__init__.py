"""What haulier tells of its work to OpenTelemetry, where a person asked for it."""
