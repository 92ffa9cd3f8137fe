"""The command `labkeras`: one file a verb."""
