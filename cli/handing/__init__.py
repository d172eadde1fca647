"""The evidence desk: copies are made, handed over and taken in, and all of it is told."""
