//! How many exchanges and tokens a second, and what each costs elsewhere.
//!
//! It is a test and no part of `moneyer-load`, since what it loads against are the models of `moneyer-testkit`, which
//! only tests may depend on. Run as a test it takes milliseconds for a figure and checks what does not hang on the
//! machine: the calls to others that an exchange makes. Figures to compare are had from an optimised build, by `make
//! bench` or with `MONEYER_BENCH_MS=5000`; tables are printed. Everything shares the machine's cores: the coordinator,
//! the models, PostgreSQL, and those who ask. So with one exchange in flight a rate tells of waiting, and with many of
//! the cores, of which models and askers take their part.

#[cfg(test)]
mod coordinators;
#[cfg(test)]
mod exchanges;
#[cfg(test)]
mod figures;
#[cfg(test)]
mod issuer;
#[cfg(test)]
mod models;
#[cfg(test)]
mod pattern;
