"""What the third-party projects have none of: enums, functions, triggers, policies."""
