"""What is said and asked at a terminal, and how values are written there."""
