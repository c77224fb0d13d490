"""What migrations will do, and whether they can be undone: found out on a scratch database.

It uses the runner; the runner knows nothing of it.
"""
