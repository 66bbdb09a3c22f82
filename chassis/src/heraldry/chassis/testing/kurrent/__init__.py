"""A stand-in for a KurrentDB server: one node that keeps its log in a folder, or only while it runs."""
