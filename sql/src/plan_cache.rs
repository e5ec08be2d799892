//! The plans that a session keeps.
//!
//! A plan names tables, not versions ([`crate::planner::binding`]), so it is good for as long as the catalog record, the
//! search path and the session's graph are in force that it was made under. The key is the statement's text and the types that the client declared;
//! a plan that was made on another basis is replaced.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;

use crate::prepare::Planned;
use crate::types::ClientType;

/// Plans that a session keeps.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

/// What a plan is found by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PlanKey {
    pub(crate) text: String,
    pub(crate) declared: Vec<Option<ClientType>>,
}

/// The plans of a session, the least used of them forgotten first.
pub(crate) struct PlanCache(Mutex<LruCache<PlanKey, Arc<Planned>>>);

impl Default for PlanCache {
    fn default() -> Self {
        PlanCache(Mutex::new(LruCache::new(CAPACITY)))
    }
}

impl PlanCache {
    /// The plan of a statement on a basis.
    pub(crate) fn get(&self, key: &PlanKey, basis: &str) -> Option<Arc<Planned>> {
        let mut plans = self.0.lock();
        let planned = plans.get(key)?;
        (planned.basis == basis).then(|| Arc::clone(planned))
    }

    pub(crate) fn put(&self, key: PlanKey, planned: Arc<Planned>) {
        self.0.lock().put(key, planned);
    }

    pub(crate) fn clear(&self) {
        self.0.lock().clear();
    }
}
