//! What a commit and a recovery decide, without doing anything: pure functions of what was found.
//!
//! The committer, recovery and the store act on these answers and on nothing else. The model in `engine/model` is compiled from
//! the same files and lets a checker take every path through them: every order of steps, a crash before and after each of
//! them. So nothing here knows of tables, logs or the clock, and nothing is used but the standard library.
//!
//! * [`steps`]: the protocol itself, as data.
//! * [`place`]: which number, epoch and time the next record has.
//! * [`creation`]: whether a record is there after its creation was tried.
//! * [`turn`]: whether the writer may go on, and which transactions commit together.
//! * [`conflict`]: whether somebody else was first.
//! * [`table`]: what recovery does with a table.
//! * [`standing`]: what becomes of a graph index, and whether it can be read.

pub(crate) mod conflict;
pub(crate) mod creation;
pub(crate) mod place;
pub(crate) mod standing;
pub(crate) mod steps;
pub(crate) mod table;
pub(crate) mod turn;
