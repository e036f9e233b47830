"""Clusters of users, and the adapters that are trained, judged, kept and routed for them."""
