//! Sets of row addresses: some bits a row where many rows of a fragment are in one, some bytes where few are.

use std::collections::BTreeMap;

use roaring::RoaringBitmap;

/// A set of row addresses (see [`crate::change::ROW_ADDRESS`]).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AddressSet {
    /// Offsets by fragment.
    fragments: BTreeMap<u32, RoaringBitmap>,
}

impl AddressSet {
    /// Adds an address; whether it is new.
    pub fn insert(&mut self, address: u64) -> bool {
        self.fragments.entry((address >> 32) as u32).or_default().insert(address as u32)
    }

    /// Adds rows of one fragment.
    pub(crate) fn insert_offsets(&mut self, fragment: u32, offsets: &RoaringBitmap) {
        if !offsets.is_empty() {
            *self.fragments.entry(fragment).or_default() |= offsets;
        }
    }

    /// Rows that are in both.
    #[must_use]
    pub fn and(mut self, other: &AddressSet) -> AddressSet {
        for (fragment, offsets) in &mut self.fragments {
            match other.get(*fragment) {
                Some(others) => *offsets &= others,
                None => offsets.clear(),
            }
        }
        self.fragments.retain(|_, offsets| !offsets.is_empty());
        self
    }

    /// Rows that are in one of them.
    #[must_use]
    pub fn or(mut self, other: &AddressSet) -> AddressSet {
        other.fragments().for_each(|(fragment, offsets)| self.insert_offsets(fragment, offsets));
        self
    }

    /// Rows that are not in the other.
    #[must_use]
    pub fn without(mut self, other: &AddressSet) -> AddressSet {
        for (fragment, offsets) in other.fragments() {
            if let Some(own) = self.fragments.get_mut(&fragment) {
                *own -= offsets;
            }
        }
        self.fragments.retain(|_, offsets| !offsets.is_empty());
        self
    }

    /// Whether an address is in it.
    pub fn contains(&self, address: u64) -> bool {
        self.fragments.get(&((address >> 32) as u32)).is_some_and(|offsets| offsets.contains(address as u32))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.fragments.is_empty()
    }

    /// The addresses, fragment by fragment.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        let of = |(fragment, offsets): (&u32, &RoaringBitmap)| {
            let fragment = u64::from(*fragment) << 32;
            offsets.iter().map(move |offset| fragment | u64::from(offset)).collect::<Vec<_>>()
        };
        self.fragments.iter().flat_map(of)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.fragments.values().map(|offsets| offsets.len() as usize).sum()
    }

    /// The offsets in each fragment.
    pub(crate) fn fragments(&self) -> impl Iterator<Item = (u32, &RoaringBitmap)> {
        self.fragments.iter().map(|(fragment, offsets)| (*fragment, offsets))
    }

    /// The offsets in one fragment.
    pub(crate) fn get(&self, fragment: u32) -> Option<&RoaringBitmap> {
        self.fragments.get(&fragment)
    }

    /// Bytes that the set takes, roughly.
    pub fn bytes(&self) -> usize {
        self.fragments.values().map(|offsets| offsets.serialized_size() + 64).sum()
    }
}

impl Extend<u64> for AddressSet {
    fn extend<I: IntoIterator<Item = u64>>(&mut self, addresses: I) {
        let mut addresses = addresses.into_iter().peekable();
        // Addresses come fragment by fragment, mostly.
        while let Some(first) = addresses.peek().copied() {
            let offsets = self.fragments.entry((first >> 32) as u32).or_default();
            while let Some(address) = addresses.next_if(|address| address >> 32 == first >> 32) {
                offsets.insert(address as u32);
            }
        }
    }
}

impl FromIterator<u64> for AddressSet {
    fn from_iter<I: IntoIterator<Item = u64>>(addresses: I) -> Self {
        let mut set = AddressSet::default();
        set.extend(addresses);
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_set() {
        let mut set = AddressSet::from_iter([5 << 32 | 7, 5 << 32 | 8, 3, 5 << 32 | 7]);
        assert_eq!((set.len(), set.contains(3), set.contains(4), set.contains(5 << 32 | 8)), (3, true, false, true));
        assert_eq!((set.insert(4), set.insert(4)), (true, false));
        let fragments: Vec<(u32, Vec<u32>)> =
            set.fragments().map(|(fragment, offsets)| (fragment, offsets.iter().collect())).collect();
        assert_eq!(fragments, [(0, vec![3, 4]), (5, vec![7, 8])]);
        assert!(AddressSet::default().is_empty() && !set.is_empty());
    }

    #[test]
    fn sets_are_joined() {
        let (a, b) = (AddressSet::from_iter([1, 2, 1 << 32]), AddressSet::from_iter([2, 3, 2 << 32]));
        assert_eq!(a.clone().and(&b), AddressSet::from_iter([2]));
        assert_eq!(a.clone().without(&b), AddressSet::from_iter([1, 1 << 32]));
        assert_eq!(a.or(&b), AddressSet::from_iter([1, 2, 3, 1 << 32, 2 << 32]));
    }

    #[test]
    fn many_addresses_take_little_room() {
        let set: AddressSet = (0..1_000_000).collect();
        assert!(set.bytes() < 200_000, "{}", set.bytes());
    }
}
