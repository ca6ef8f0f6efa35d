"""PostgreSQL: COPY in both directions, one transaction per run."""
