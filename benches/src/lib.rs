//! Data makers and benchmarks. They know Slipstream as any client does: over the Postgres wire.
//!
//! * [`demo`] loads real data of this machine into a running server; the program `slipstream-demo` is a thin shell over it.
//! * `bench` (with the feature `peers`) asks Slipstream and the bare libraries the same questions; `make bench` runs it.

#[cfg(feature = "peers")]
pub mod bench;
pub mod demo;
