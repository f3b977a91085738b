"""What is built on graphs and may still change."""
