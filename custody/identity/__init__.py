"""Who signs, and whom we believe."""
