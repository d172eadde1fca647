"""Who must be told: from an incident record to duties, with reasons.

An interpretation of the law for people who decide, never the law itself and never advice.
"""
