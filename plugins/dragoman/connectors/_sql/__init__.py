"""What the SQL connectors share: quoting, the table of deliveries, isolating bad rows, reading by a cursor."""
