//! Whose turn it is: whether the writer may go on, and which transactions commit together.

/// What the writer does before anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Turn<S, U> {
    /// The next commit.
    Write,
    /// Finish this one, which is recorded.
    FinishFirst(U),
    /// Nothing any more.
    Stopped(S),
}

/// Takes what is unfinished, unless the writer has `stopped`.
pub(crate) fn turn<S, U>(stopped: Option<S>, unfinished: &mut Option<U>) -> Turn<S, U> {
    match stopped {
        Some(why) => Turn::Stopped(why),
        None => unfinished.take().map_or(Turn::Write, Turn::FinishFirst),
    }
}

/// How many of those that wait, told by whether they have to commit `alone`, commit together: at least one, if any waits.
pub(crate) fn group_size(alone: impl IntoIterator<Item = bool>, most: usize) -> usize {
    let mut waiting = alone.into_iter().peekable();
    match waiting.peek() {
        Some(true) => 1,
        _ => waiting.take(most).take_while(|alone| !alone).count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_writer_keeps_what_it_has_not_finished() {
        let mut unfinished = Some("commit");
        assert_eq!(turn(Some("fenced"), &mut unfinished), Turn::Stopped("fenced"));
        assert_eq!(turn(None::<&str>, &mut unfinished), Turn::FinishFirst("commit"));
        assert_eq!(turn(None::<&str>, &mut unfinished), Turn::Write);
    }

    #[test]
    fn a_group_ends_before_one_that_commits_alone() {
        let size = |alone: &[bool]| group_size(alone.iter().copied(), 3);
        assert_eq!((size(&[]), size(&[true, false]), size(&[false, true]), size(&[false; 5])), (0, 1, 1, 3));
    }
}
