"""What users test their own integrations and connectors with: real servers, bad networks, and a judge."""
