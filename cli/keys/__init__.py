"""Signing keys, and whose keys are believed."""
