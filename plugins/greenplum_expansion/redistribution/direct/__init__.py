"""The engine that moves table by table, over standing sessions, with gpexpand's statements and gpexpand's books."""
