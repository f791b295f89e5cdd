-- Extension quartzdb: all that the Rust code declares.

@DECLARED@
