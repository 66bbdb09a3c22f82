from heraldry.scheduler.service import main

raise SystemExit(main())
