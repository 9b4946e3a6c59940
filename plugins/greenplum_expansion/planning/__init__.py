"""What will be done, in which order, and how the result is proven. Pure: no Airflow, no I/O."""
