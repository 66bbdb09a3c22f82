"""The sandbox over HTTP: pages for people, a control API for tests and the demo."""
