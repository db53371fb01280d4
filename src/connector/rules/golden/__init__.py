"""Which of the things that several sources say of one field holds: the golden record."""
