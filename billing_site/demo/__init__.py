"""What `manage.py seed_demo` makes: clinics with three months behind them."""
