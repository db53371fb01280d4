"""Rollouts, their lines, their units and tasks."""
