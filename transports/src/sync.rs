//! The locks and atomics of what several threads wake. In `model/`, which compiles these sources once more, they are those
//! of a model checker, which tries the orders in which threads may take them.

#[cfg(not(model))]
mod real {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64};
    pub(crate) use std::thread_local;

    pub(crate) use parking_lot::{Mutex, MutexGuard};
}

#[cfg(model)]
mod model {
    use std::sync::PoisonError;

    pub(crate) use shuttle::sync::MutexGuard;
    pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicU64};
    pub(crate) use shuttle::thread_local;

    /// A lock with the methods of the real one.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }
}

#[cfg(model)]
pub(crate) use model::*;
#[cfg(not(model))]
pub(crate) use real::*;
