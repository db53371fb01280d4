"""Tickets about one cause, tickets that follow another one, and parcels in trouble."""
