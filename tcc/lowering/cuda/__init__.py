"""What differs on NVIDIA GPUs: lanes are threads."""
