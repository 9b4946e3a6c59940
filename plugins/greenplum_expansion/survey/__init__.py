"""What a cluster and its hosts are like: looked at before and after, compared, shown. Pure: no Airflow, no I/O."""
