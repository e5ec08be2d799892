//! Running a statement again that came second.
//!
//! Outside a block nobody has seen what a statement read, so when somebody else has changed the same rows first
//! (`40001`), it simply runs on the newer snapshot. The first losers wait a little, at random, so that they don't meet
//! again. Who goes on losing takes a turn, which one statement of a database can have at a time, and commits before the
//! others go on: of any number of statements that fight for one row, each gets through.

use std::time::Duration;

use slipstream_engine::database::Turn;
use slipstream_engine::{Error, ErrorKind};

use crate::session::Inner;

/// How often a statement runs at most. A limit that is reached is a bug, and better an error than a loop.
const MOST: u32 = 1000;

/// How often a statement loses before it takes a turn.
const PATIENT: u32 = 3;

/// The longest wait after the first loss; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(2);

/// The attempts of one statement.
pub(crate) struct Attempts<'a> {
    session: &'a Inner,
    once: bool,
    lost: u32,
    turn: Option<Turn>,
}

impl<'a> Attempts<'a> {
    /// The attempts that a statement has. In a block it has one: what the block has read would not be true any more.
    pub(crate) fn new(session: &'a Inner) -> Self {
        Attempts { session, once: session.in_block(), lost: 0, turn: None }
    }

    /// Whether the statement that failed so is to be run again; returns when it is time.
    pub(crate) async fn again(&mut self, error: &Error) -> bool {
        self.again_after(error, false).await
    }

    /// The same, where it may be known otherwise that the statement came second.
    pub(crate) async fn again_after(&mut self, error: &Error, came_second: bool) -> bool {
        let lost = came_second || error.kind() == ErrorKind::SerializationFailure;
        if self.once || !lost || self.lost == MOST {
            return false;
        }
        self.lost += 1;
        if self.lost <= PATIENT {
            tokio::time::sleep((FIRST_WAIT * (1 << self.lost)).mul_f64(rand::random())).await;
        } else if self.turn.is_none() {
            self.turn = Some(self.session.database().take_turn().await);
            self.session.set_turn(true);
        }
        true
    }
}

impl Drop for Attempts<'_> {
    fn drop(&mut self) {
        if self.turn.is_some() {
            self.session.set_turn(false);
        }
    }
}
