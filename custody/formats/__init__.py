"""Pure formats: bytes to values and back, strict both ways, no input or output."""
