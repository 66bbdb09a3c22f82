"""What tests of services and adapters share. Imported by tests only."""
