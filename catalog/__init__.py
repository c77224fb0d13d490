"""A raw-SQL migration runner for Postgres, and a thin JSON API over the schema it builds."""
