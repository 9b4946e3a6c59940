"""Making a new host like the existing ones: what was seen on the hosts goes in, changes come out. Pure."""
