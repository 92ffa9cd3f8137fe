"""What a sweep came to: tables, pictures, a live display."""
