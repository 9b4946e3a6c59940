"""What a cluster is: names, topology, input file, expansion state, flavors. Pure: no Airflow, no I/O."""
