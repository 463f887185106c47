"""Models of the Hub: the client, the parsing of its records, eligibility. Pure functions but for hub.py."""
