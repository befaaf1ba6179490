//! Bytes that the requests hold together: a request has its share before it reads or decodes anything, so that no number and
//! no size of requests takes more memory than there is for them.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Shares are of so many bytes.
const UNIT: u64 = 1 << 10;

/// What there is for all requests.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    left: Arc<Semaphore>,
    units: u64,
}

/// What a request has of it, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share(Option<OwnedSemaphorePermit>);

/// Why there is no share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoShare {
    /// Others have it now.
    Now,
    /// It is more than there is for all.
    Ever,
}

impl Budget {
    pub(crate) fn new(bytes: u64) -> Self {
        let units = (bytes / UNIT).clamp(1, u64::from(u32::MAX).min(Semaphore::MAX_PERMITS as u64));
        Self {
            left: Arc::new(Semaphore::new(units as usize)),
            units,
        }
    }

    /// A share of so many bytes.
    ///
    /// # Errors
    /// That there is none.
    pub(crate) fn take(&self, bytes: u64) -> Result<Share, NoShare> {
        let units = bytes.div_ceil(UNIT);
        let most = u32::try_from(units).ok().filter(|_| units <= self.units);
        let Some(units) = most else {
            return Err(NoShare::Ever);
        };
        let permit = Arc::clone(&self.left).try_acquire_many_owned(units);
        permit
            .map(|permit| Share(Some(permit)))
            .map_err(|_| NoShare::Now)
    }

    /// Bytes that requests have.
    pub(crate) fn taken(&self) -> u64 {
        (self.units - self.left.available_permits() as u64) * UNIT
    }
}

impl Share {
    /// Gives back what is more than this.
    pub(crate) fn shrink(&mut self, bytes: u64) {
        let Some(permit) = &mut self.0 else { return };
        let more = (permit.num_permits() as u64).saturating_sub(bytes.div_ceil(UNIT));
        drop(permit.split(more as usize));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_come_back_when_they_are_dropped() {
        let budget = Budget::new(10 * UNIT);
        let first = budget.take(6 * UNIT - 5).unwrap();
        assert_eq!(budget.taken(), 6 * UNIT);
        assert_eq!(budget.take(5 * UNIT).unwrap_err(), NoShare::Now);
        assert_eq!(budget.take(11 * UNIT).unwrap_err(), NoShare::Ever);
        assert_eq!(budget.take(u64::MAX).unwrap_err(), NoShare::Ever);
        drop(first);
        let mut second = budget.take(9 * UNIT).unwrap();
        second.shrink(2 * UNIT);
        assert_eq!(budget.taken(), 2 * UNIT);
        second.shrink(5 * UNIT);
        drop(second);
        assert_eq!(budget.taken(), 0);
    }
}
