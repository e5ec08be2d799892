//! Cancel requests: which session a process id and its secret stand for.
//!
//! Process ids are numbers of sessions, not of operating system processes. A request that names no session, or has the
//! wrong secret, is ignored without an answer, as in Postgres.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use pgwire::messages::startup::SecretKey;
use slipstream_sql::Session;

/// The sessions of a server.
#[derive(Default)]
pub(crate) struct Sessions {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    last_process_id: i32,
    open: HashMap<i32, Entry>,
}

struct Entry {
    secret: SecretKey,
    session: Option<Arc<Session>>,
}

/// A session's place in the registry; it leaves when this is dropped.
pub(crate) struct Registration {
    sessions: Arc<Sessions>,
    process_id: i32,
    secret: SecretKey,
}

impl Sessions {
    /// Takes a process id and a secret for a session that is about to begin.
    pub(crate) fn register(self: &Arc<Self>) -> Registration {
        let secret = SecretKey::I32(rand::random());
        let mut inner = self.inner.lock();
        let process_id = inner.free_process_id();
        inner.open.insert(process_id, Entry { secret: secret.clone(), session: None });
        Registration { sessions: Arc::clone(self), process_id, secret }
    }

    /// Cancels what the named session runs, if the secret is right.
    pub(crate) fn cancel(&self, process_id: i32, secret: &SecretKey) {
        let session = {
            let inner = self.inner.lock();
            let entry = inner.open.get(&process_id).filter(|entry| entry.secret.eq_value(secret));
            entry.and_then(|entry| entry.session.clone())
        };
        match session {
            Some(session) => session.cancel(),
            None => tracing::debug!(process_id, "a cancel request matched no session"),
        }
    }

    /// Cancels what every session runs.
    pub(crate) fn cancel_all(&self) {
        let sessions: Vec<_> = self.inner.lock().open.values().filter_map(|entry| entry.session.clone()).collect();
        sessions.iter().for_each(|session| session.cancel());
    }
}

impl Inner {
    fn free_process_id(&mut self) -> i32 {
        loop {
            self.last_process_id = self.last_process_id.checked_add(1).unwrap_or(1);
            if !self.open.contains_key(&self.last_process_id) {
                return self.last_process_id;
            }
        }
    }
}

impl Registration {
    /// The session's process id.
    pub(crate) fn process_id(&self) -> i32 {
        self.process_id
    }

    /// The secret that a cancel request has to know.
    pub(crate) fn secret(&self) -> &SecretKey {
        &self.secret
    }

    /// Names the session that requests are for.
    pub(crate) fn set_session(&self, session: &Arc<Session>) {
        if let Some(entry) = self.sessions.inner.lock().open.get_mut(&self.process_id) {
            entry.session = Some(Arc::clone(session));
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.sessions.inner.lock().open.remove(&self.process_id);
    }
}
