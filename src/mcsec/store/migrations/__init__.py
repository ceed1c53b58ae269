"""Steps from each schema of a store to the next; :mod:`mcsec.store.schema` runs them."""
