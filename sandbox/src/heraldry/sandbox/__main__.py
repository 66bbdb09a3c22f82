"""`python -m heraldry.sandbox`."""

from __future__ import annotations

import sys

from heraldry.sandbox.service import main

sys.exit(main())
