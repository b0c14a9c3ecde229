"""What differs on CPUs."""
