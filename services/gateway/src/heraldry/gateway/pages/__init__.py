"""What the pages show: view models, the forms on them, and how they become HTML.

A route fills a view model and calls `render`; a template gets exactly `shell` and `page` and asks nobody
else. Every GET answers with a whole page, from which HTMX takes the part it wants, so a page works without
scripts and no route has to know who asks.
"""
