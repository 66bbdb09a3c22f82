"""Pure: frozen values and functions; time and ids come in as arguments."""
