"""One running stack is shared by all tests that do not kill it; what takes long begins."""

pytest_plugins = ["heraldry.chassis.testing.fixtures", "tests.order"]
