"""Moving the tables: what is started, what it says about its progress, what it left."""
