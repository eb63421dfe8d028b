"""`python -m tests.benchmarks.with_uvloop run SITE`: fieldgate on uvloop's event loop, to be measured apart."""

import uvloop

from gateway.__main__ import main

if __name__ == "__main__":
    uvloop.install()
    main()
