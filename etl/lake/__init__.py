"""What every stage shares about the lake: session, schemas, stores and locks."""
