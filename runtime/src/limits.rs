//! What a store may use up: the embedder's decisions about growth.
//! It must never know memories and tables themselves.

use crate::{Error, Result, bail};

/// Number of instances, tables and memories of a store unless a limiter says otherwise.
const DEFAULT_COUNT: usize = 10_000;

/// Decides whether memories and tables of a store may grow, and how many there may be.
///
/// Given to a store by [`Store::limiter`](crate::Store::limiter); [`StoreLimits`] is a ready-made one.
pub trait ResourceLimiter {
    /// Whether a memory may grow from `current` to `desired` bytes; `maximum` is its type's. Also
    /// asked, with `current` 0, when a memory is made.
    ///
    /// # Errors
    /// An error traps instead of making `memory.grow` return -1.
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool>;

    /// Told when a memory could not grow although it was allowed to.
    ///
    /// # Errors
    /// An error traps instead of making `memory.grow` return -1.
    fn memory_grow_failed(&mut self, error: Error) -> Result<()> {
        tracing::debug!(target: "craneway", error = %format!("{error:#}"), "memory growth failed");
        Ok(())
    }

    /// As [`memory_growing`](ResourceLimiter::memory_growing), for tables, in elements.
    ///
    /// # Errors
    /// An error traps instead of making `table.grow` return -1.
    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool>;

    /// As [`memory_grow_failed`](ResourceLimiter::memory_grow_failed), for tables.
    ///
    /// # Errors
    /// An error traps instead of making `table.grow` return -1.
    fn table_grow_failed(&mut self, error: Error) -> Result<()> {
        tracing::debug!(target: "craneway", error = %format!("{error:#}"), "table growth failed");
        Ok(())
    }

    /// Most instances of the store.
    fn instances(&self) -> usize {
        DEFAULT_COUNT
    }

    /// Most tables of the store.
    fn tables(&self) -> usize {
        DEFAULT_COUNT
    }

    /// Most memories of the store.
    fn memories(&self) -> usize {
        DEFAULT_COUNT
    }
}

/// A limiter by fixed numbers, made by [`StoreLimitsBuilder`].
#[derive(Clone, Debug)]
pub struct StoreLimits {
    memory_size: Option<usize>,
    table_elements: Option<usize>,
    instances: usize,
    tables: usize,
    memories: usize,
    trap_on_grow_failure: bool,
}

impl Default for StoreLimits {
    fn default() -> StoreLimits {
        StoreLimits {
            memory_size: None,
            table_elements: None,
            instances: DEFAULT_COUNT,
            tables: DEFAULT_COUNT,
            memories: DEFAULT_COUNT,
            trap_on_grow_failure: false,
        }
    }
}

impl StoreLimits {
    fn decide(
        &self,
        what: &str,
        desired: usize,
        limit: Option<usize>,
        maximum: Option<usize>,
    ) -> Result<bool> {
        let allowed = limit.is_none_or(|l| desired <= l) && maximum.is_none_or(|m| desired <= m);
        if !allowed && self.trap_on_grow_failure {
            bail!("forcing trap when growing {what} to {desired}");
        }
        Ok(allowed)
    }

    fn failed(&self, what: &str, error: Error) -> Result<()> {
        match self.trap_on_grow_failure {
            true => Err(error.context(format!("forcing a {what} growth failure to be a trap"))),
            false => Ok(()),
        }
    }
}

impl ResourceLimiter for StoreLimits {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        self.decide("memory", desired, self.memory_size, maximum)
    }

    fn memory_grow_failed(&mut self, error: Error) -> Result<()> {
        self.failed("memory", error)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        self.decide("table", desired, self.table_elements, maximum)
    }

    fn table_grow_failed(&mut self, error: Error) -> Result<()> {
        self.failed("table", error)
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        self.tables
    }

    fn memories(&self) -> usize {
        self.memories
    }
}

/// Makes [`StoreLimits`].
///
/// ```
/// use craneway::{Engine, Store, StoreLimits, StoreLimitsBuilder};
/// let limits = StoreLimitsBuilder::new().memory_size(16 << 20).instances(2).build();
/// let mut store = Store::new(&Engine::default(), limits);
/// store.limiter(|limits| limits);
/// ```
#[derive(Clone, Debug, Default)]
pub struct StoreLimitsBuilder(StoreLimits);

impl StoreLimitsBuilder {
    /// No limits on sizes, the default number of everything.
    pub fn new() -> StoreLimitsBuilder {
        StoreLimitsBuilder::default()
    }

    /// Most bytes of each memory.
    pub fn memory_size(mut self, bytes: usize) -> StoreLimitsBuilder {
        self.0.memory_size = Some(bytes);
        self
    }

    /// Most elements of each table.
    pub fn table_elements(mut self, elements: usize) -> StoreLimitsBuilder {
        self.0.table_elements = Some(elements);
        self
    }

    /// Most instances.
    pub fn instances(mut self, count: usize) -> StoreLimitsBuilder {
        self.0.instances = count;
        self
    }

    /// Most tables.
    pub fn tables(mut self, count: usize) -> StoreLimitsBuilder {
        self.0.tables = count;
        self
    }

    /// Most memories.
    pub fn memories(mut self, count: usize) -> StoreLimitsBuilder {
        self.0.memories = count;
        self
    }

    /// Whether growth that is refused traps instead of making the instruction return -1.
    pub fn trap_on_grow_failure(mut self, trap: bool) -> StoreLimitsBuilder {
        self.0.trap_on_grow_failure = trap;
        self
    }

    /// The limits.
    pub fn build(self) -> StoreLimits {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_refused_or_trap() {
        let builder = StoreLimitsBuilder::new().memory_size(100).table_elements(5);
        let mut limits = builder.clone().build();
        assert!(limits.memory_growing(0, 100, None).unwrap());
        assert!(!limits.memory_growing(0, 101, None).unwrap());
        assert!(!limits.table_growing(0, 4, Some(3)).unwrap());
        assert!(limits.memory_grow_failed(Error::msg("no memory")).is_ok());
        let mut strict = builder.trap_on_grow_failure(true).build();
        assert!(strict.memory_growing(0, 101, None).is_err());
        assert!(strict.table_grow_failed(Error::msg("no memory")).is_err());
    }
}
