"""The routes, a module a page. Each names its routers in ROUTERS, each router its rule of access."""
