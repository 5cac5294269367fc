//! Locks, threads and atomics: the one place where the core and the store take them from.
//!
//! The product takes them from `parking_lot` and the standard library as they are. With the feature
//! `shuttle`, which only the models have, a model checker schedules them: it tries many orders of threads
//! around every lock and finds what a run on a real machine meets once a year. `cargo xtask tidy` proves
//! that nothing turns the feature on.

#[cfg(not(feature = "shuttle"))]
pub use parking_lot::{Condvar, Mutex, RwLock, RwLockReadGuard};
#[cfg(not(feature = "shuttle"))]
pub use std::{sync::atomic, thread};

#[cfg(feature = "shuttle")]
pub use scheduled::{Condvar, Mutex, RwLock, RwLockReadGuard};
#[cfg(feature = "shuttle")]
pub use shuttle::{sync::atomic, thread};

#[cfg(feature = "shuttle")]
mod scheduled {
    //! `parking_lot`'s locks over those of the model checker.

    use std::ops::{Deref, DerefMut};
    use std::time::Duration;

    /// Why no lock here is poisoned: a panic ends the model.
    const SOUND: &str = "a panic ends the model";

    /// See `parking_lot::Mutex`.
    #[derive(Debug, Default)]
    pub struct Mutex<T>(shuttle::sync::Mutex<T>);

    /// See `parking_lot::MutexGuard`.
    #[derive(Debug)]
    pub struct MutexGuard<'l, T>(Option<shuttle::sync::MutexGuard<'l, T>>);

    impl<T> Mutex<T> {
        /// A lock around `value`.
        pub fn new(value: T) -> Self {
            Self(shuttle::sync::Mutex::new(value))
        }

        /// Locks it.
        pub fn lock(&self) -> MutexGuard<'_, T> {
            MutexGuard(Some(self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)))
        }

        /// What was inside.
        pub fn into_inner(self) -> T {
            self.0.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.0.as_ref().expect(SOUND)
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.0.as_mut().expect(SOUND)
        }
    }

    /// See `parking_lot::Condvar`.
    #[derive(Debug, Default)]
    pub struct Condvar(shuttle::sync::Condvar);

    impl Condvar {
        /// Nobody waits yet.
        pub fn new() -> Self {
            Self::default()
        }

        /// Waits with the lock given up.
        pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            let held = guard.0.take().expect(SOUND);
            guard.0 = Some(self.0.wait(held).unwrap_or_else(std::sync::PoisonError::into_inner));
        }

        /// As `wait`: a model has no time, so nobody waits in vain here.
        pub fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, _: Duration) {
            self.wait(guard);
        }

        /// Wakes one.
        pub fn notify_one(&self) {
            self.0.notify_one();
        }

        /// Wakes all.
        pub fn notify_all(&self) {
            self.0.notify_all();
        }
    }

    /// See `parking_lot::RwLock`.
    #[derive(Debug, Default)]
    pub struct RwLock<T>(shuttle::sync::RwLock<T>);

    /// See `parking_lot::RwLockReadGuard`.
    pub type RwLockReadGuard<'l, T> = shuttle::sync::RwLockReadGuard<'l, T>;

    impl<T> RwLock<T> {
        /// A lock around `value`.
        pub fn new(value: T) -> Self {
            Self(shuttle::sync::RwLock::new(value))
        }

        /// Locks it with other readers.
        pub fn read(&self) -> RwLockReadGuard<'_, T> {
            self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner)
        }

        /// Locks it alone.
        pub fn write(&self) -> shuttle::sync::RwLockWriteGuard<'_, T> {
            self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner)
        }
    }
}
