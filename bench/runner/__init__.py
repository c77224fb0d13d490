"""The migration runner, beside others."""
