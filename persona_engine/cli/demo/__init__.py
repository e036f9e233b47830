"""``persona demo``: two people with opposite tastes, the same questions, a correction, a farewell.

`story` holds who they are and what they ask, `performance` plays it on an engine, `stage` shows it.
"""
