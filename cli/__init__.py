"""The command line, installed as ``custody.cli``."""
