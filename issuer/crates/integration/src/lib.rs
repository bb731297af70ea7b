//! Both daemons together, as real processes, through faults.
//!
//! There is nothing in this library: the tests in `tests/processes` start `moneyer` and
//! `moneyer-runner-proxy` on loopback with the stand of `moneyer-load`, kill and stop them, and look from
//! outside at what they promise. The binaries must be built before: `make test` does.
//! `tests/bench` asks the coordinator for as much as it gives, over models that answer late, and counts what it asks of
//! others.
