"""The service: authors and their books as JSON. Nothing here knows of the runner."""
