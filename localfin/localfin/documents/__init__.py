"""The user's own documents: read in a sealed process, indexed, searched."""
