"""Hosts made of Linux namespaces: a private network, six machines with their own root, processes, sshd and reboot.

How it hangs together (top to bottom is also the order in which things start):

``cli``            on the machine, as root: prepares the state directory and starts the next one
``staging``        on the machine, as root: listens for the relays, builds a small root of its own, enters a user
                   namespace with a mapped range of uids and becomes
``supervisor``     process 1 of the datacenter: bridge, relays, control socket; starts a host again when it reboots
``machine``        one child a host: own mounts, hostname, processes, network; `furnish` fills a new host's disk
``firstprocess``   process 1 of a host: sshd, orphans, orderly shutdown

The kernel ends every process of the datacenter when the supervisor ends, whatever ended it: nothing can be left behind.
"""
