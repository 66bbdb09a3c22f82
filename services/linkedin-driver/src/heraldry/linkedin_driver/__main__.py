from heraldry.linkedin_driver.service import main

raise SystemExit(main())
