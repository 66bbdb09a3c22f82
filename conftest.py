"""One running stack is shared by all tests that do not kill it."""

pytest_plugins = ["heraldry.chassis.testing.fixtures"]
