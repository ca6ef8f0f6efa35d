"""Deliveries into destinations that take items by requests: intents, outcomes, what nobody knows."""
