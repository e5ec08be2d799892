//! Keeping the number of small fragments down.
//!
//! Every small commit appends a fragment, and every scan opens every fragment. So a commit takes along small fragments of
//! its table and writes their rows together with its own, as a log-structured merge tree does: fragments are in tiers by
//! their rows, each tier [`FAN_OUT`] times the one below, and a tier that is full becomes one fragment of the next. A row
//! is rewritten at most once per tier, and a table has at most `FAN_OUT * tiers` small fragments.

use lance_table::format::Fragment;

/// Fragments of a tier that become one of the next; also how much larger the next tier's are.
const FAN_OUT: usize = 16;

/// Fragments with this many rows or more stay as they are.
pub(super) const LARGEST_FOLDED: usize = 65_536;

/// The fragments to fold into the next write, by id: those of the lowest full tier and of all tiers below it.
pub(super) fn choose(fragments: &[Fragment]) -> Vec<u64> {
    let rows: Vec<(u64, usize)> =
        fragments.iter().map(|fragment| (fragment.id, fragment.num_rows().unwrap_or(LARGEST_FOLDED))).collect();
    choose_by_rows(&rows)
}

fn choose_by_rows(fragments: &[(u64, usize)]) -> Vec<u64> {
    let mut tier = 1..FAN_OUT;
    while tier.end <= LARGEST_FOLDED {
        if fragments.iter().filter(|(_, rows)| tier.contains(&(*rows).max(1))).count() >= FAN_OUT {
            return fragments.iter().filter(|(_, rows)| *rows < tier.end).map(|(id, _)| *id).collect();
        }
        tier = tier.end..tier.end * FAN_OUT;
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_small_fragments_are_left_alone() {
        let fragments: Vec<(u64, usize)> = (0..FAN_OUT as u64 - 1).map(|id| (id, 1)).collect();
        assert_eq!(choose_by_rows(&fragments), Vec::<u64>::new());
    }

    #[test]
    fn a_stream_of_one_row_commits_keeps_few_fragments_and_rewrites_each_row_a_few_times() {
        let mut fragments: Vec<(u64, usize)> = Vec::new();
        let mut written = 0;
        for commit in 0..20_000 {
            let folded = choose_by_rows(&fragments);
            let rows = 1 + fragments.iter().filter(|(id, _)| folded.contains(id)).map(|(_, rows)| rows).sum::<usize>();
            fragments.retain(|(id, _)| !folded.contains(id));
            fragments.push((commit, rows));
            written += rows;
            assert!(fragments.len() <= 5 * FAN_OUT, "{} fragments after {commit} commits", fragments.len());
        }
        assert!(written < 20_000 * 6, "{written} rows written");
    }

    #[test]
    fn large_fragments_are_never_rewritten() {
        let fragments: Vec<(u64, usize)> = (0..100).map(|id| (id, LARGEST_FOLDED)).collect();
        assert_eq!(choose_by_rows(&fragments), Vec::<u64>::new());
    }
}
