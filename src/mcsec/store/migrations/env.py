"""Where alembic finds the connection: the caller gives it, and its transaction holds every step together."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=False)
context.run_migrations()
