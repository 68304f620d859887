"""What is measured and what happened."""
