"""The commands. No decisions here: each command calls a room above and prints what it answers."""
