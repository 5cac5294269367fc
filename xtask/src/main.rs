//! The project's own commands: `cargo xtask check | test | bench | tidy`.

fn main() {}
