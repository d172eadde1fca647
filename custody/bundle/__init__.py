"""A BagIt bag, sealed."""
