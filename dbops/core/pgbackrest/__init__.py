"""What pgBackRest says, read; and what is said to it, built. All of it is pure."""
