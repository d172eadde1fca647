"""The ledger: read, proved, exported, witnessed."""
