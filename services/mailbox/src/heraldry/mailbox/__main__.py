from heraldry.mailbox.service import main

raise SystemExit(main())
