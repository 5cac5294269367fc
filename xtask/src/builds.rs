//! How the workspace is built for its tests: two ways, and each once.
//!
//! Cargo builds a package again for every other set of features, and for every other set of packages that are built
//! with it. So whoever needs a test binary asks for it with one of these lists of arguments. Mistakes that can be
//! planted are in both, and none is planted unless a run names it: so the tests of the tests need no build of their
//! own. What is shipped is built without them (`tidy/features.rs`), and driven by the suites in `tests/`.

/// Everything, as it is.
pub(crate) const WHOLE: &[&str] =
    &["--workspace", "--features", "drystone/planted,drystone-sim/planted,drystone-store/planted"];

/// The store and its test kit, with locks that a model checker schedules and in which nothing else can run.
pub(crate) const SCHEDULED: &[&str] = &[
    "--package",
    "drystone-sim",
    "--package",
    "drystone-store",
    "--features",
    "drystone-sim/planted,drystone-store/planted,drystone-sim/shuttle,drystone-store/shuttle",
    "--lib",
    "--test",
    "promises",
];

/// The kinds of targets that hold tests, and the program that some of them start.
pub(crate) const TARGETS: &[&str] = &["--lib", "--bins", "--tests"];
