"""Where the trials of a sweep run: in this process, in others, on a cluster."""
