"""The investigator: evidence is verified, compared, countersigned and stamped."""
