"""From overrides and YAML files to a config, and everything that is wrong with it."""
