"""Counsel: the incident record, what it obliges to, and what was sent."""
