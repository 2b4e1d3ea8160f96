"""Studies: a question as a file, its cells run side by side, each kept once finished."""
