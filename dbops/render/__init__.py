"""Turn reports into text for people, or JSON for programs; print nothing."""
