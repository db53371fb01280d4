"""How it is kept. SQLAlchemy and SQLModel live here and nowhere else."""
