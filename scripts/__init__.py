"""Programs around the repository; ``make`` runs them."""
