"""How two instructions are related: the same, an update, or neither; a small trained scorer."""
