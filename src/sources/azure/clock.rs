//! Time as a capability: the scheduler waits on it, tests let it run faster.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// A clock that only goes forward.
pub trait Clock: Debug + Send + Sync {
    /// Time since some fixed moment.
    fn elapsed(&self) -> Duration;
    /// Waits.
    fn sleep(&self, how_long: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}
