"""Transfer: evidence that leaves a place, or comes to one."""
