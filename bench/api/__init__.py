"""The API, beside what people would use instead."""
