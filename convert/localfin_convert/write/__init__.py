"""What appears on the disk: files that are there whole or not at all, and what a killed run leaves to go on with."""
