"""What a command is given: its options, and the case, keys and files that these lead to."""
