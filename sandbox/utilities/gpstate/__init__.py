"""gpstate: what the catalog says, what the hosts say, what replication says, and how an expansion stands."""
