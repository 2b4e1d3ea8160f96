"""Studies over agents and policies; run from a checkout."""
