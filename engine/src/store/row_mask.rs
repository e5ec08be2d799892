//! Sets of row addresses as Lance has them.

use lance::dataset::scanner::RowAddrTreeMap;
use roaring::RoaringBitmap;

use crate::addresses::AddressSet;

/// A set of addresses as Lance has it.
pub(super) fn tree_map(rows: &AddressSet) -> RowAddrTreeMap {
    let mut map = RowAddrTreeMap::new();
    rows.fragments().for_each(|(fragment, offsets)| map.insert_bitmap(fragment, offsets.clone()));
    map
}

/// A set of addresses that Lance gives.
pub(super) fn address_set(map: &RowAddrTreeMap) -> AddressSet {
    let mut rows = AddressSet::default();
    for (fragment, _) in map.iter() {
        match map.get_fragment_bitmap(*fragment) {
            Some(offsets) => rows.insert_offsets(*fragment, offsets),
            // All rows of the fragment, however many those are.
            None => rows.insert_offsets(*fragment, &RoaringBitmap::full()),
        }
    }
    rows
}
