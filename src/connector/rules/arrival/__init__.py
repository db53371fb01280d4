"""When a unit would be at the site and when it must be: calendars, lanes, ways."""
