"""All that learns with torch; run from a checkout: ``python -m agents.train retail``."""
