from heraldry.identity.service import main

raise SystemExit(main())
