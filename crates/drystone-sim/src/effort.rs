//! How much a suite does: enough for every change, or as much as a night allows.

/// Whether `DRYSTONE_LONG` asks for a long run; `cargo xtask test --long` sets it.
pub fn is_long() -> bool {
    std::env::var("DRYSTONE_LONG").is_ok_and(|value| !value.is_empty() && value != "0")
}

/// `usual` of something, or `long` in a long run.
pub fn of(usual: u64, long: u64) -> u64 {
    if is_long() { long } else { usual }
}

/// Where made-up sequences and schedules begin: the same in every run, unless `DRYSTONE_SEED` says otherwise.
///
/// # Panics
/// When `DRYSTONE_SEED` is no number.
pub fn seed() -> u64 {
    std::env::var("DRYSTONE_SEED").map_or(1, |seed| seed.parse().expect("DRYSTONE_SEED is a number"))
}
