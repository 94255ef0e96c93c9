"""Pictures of maps and labels."""
