"""Scenarios: what a lab plays, from a file. ``format`` says what a file may hold."""
