"""`python -m heraldry.gateway`."""

from __future__ import annotations

import sys

from heraldry.gateway.service import main

sys.exit(main())
