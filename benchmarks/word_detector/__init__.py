"""A small OWLv2 that finds fingertips and coloured things by words: its training, and what judges it."""
