"""Long lists, beside the same."""
