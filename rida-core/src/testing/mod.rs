//! In-memory ports, contract suites and the simulated world.
