"""What is backed up before an expansion, with which tool and commands, and what such a backup is good for. Pure."""
