//! Which place in the log the next record takes.

use std::ops::Add;

/// A record's place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// From 1, without gaps.
    pub(crate) seq: u64,
    /// The writer that made it.
    pub(crate) epoch: u64,
}

impl Place {
    /// Where the same writer puts its next record.
    pub(crate) fn next(self) -> Place {
        Place { seq: self.seq + 1, ..self }
    }

    /// Where a writer that takes over puts its first record. Whoever wrote the newest one cannot write there any more.
    pub(crate) fn taken_over(newest: Option<Place>) -> Place {
        newest.map_or(Place { seq: 1, epoch: 1 }, |newest| Place { seq: newest.seq + 1, epoch: newest.epoch + 1 })
    }
}

/// The time of a record: now, but later than the record before, whatever the clock says.
pub(crate) fn time<T: Ord + Add<D, Output = T>, D>(now: T, before: Option<T>, tick: D) -> T {
    match before {
        Some(before) => now.max(before + tick),
        None => now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_counts_on_and_a_new_one_takes_the_next_epoch() {
        let first = Place::taken_over(None);
        assert_eq!(first.next(), Place { seq: 2, epoch: 1 });
        assert_eq!(Place::taken_over(Some(first.next())), Place { seq: 3, epoch: 2 });
    }

    #[test]
    fn time_never_goes_back() {
        assert_eq!((time(5, None, 1), time(9, Some(5), 1), time(3, Some(5), 1), time(5, Some(5), 1)), (5, 9, 6, 6));
    }
}
