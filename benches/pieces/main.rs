//! The pieces, each alone, measured by criterion: `cargo xtask bench --pieces`.

use criterion::Criterion;

fn main() {
    Criterion::default().configure_from_args().final_summary();
}
