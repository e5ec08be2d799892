//! Values of `sparsevec`.
//!
//! Their bytes, in a plan, on disk and on the wire, are those of pgvector's `sparsevec_send`, big endian: dimension, number of
//! elements, 32 unused bits; the places of the elements, counted from 0; the elements. None of them is 0, and their places
//! ascend, so equal vectors have equal bytes.

use std::cmp::Ordering;

use bytes::{Buf, BufMut};
use slipstream_engine::{Error, ErrorKind, Result};

use super::kind::Kind;

/// Most elements that are not 0.
const MAX_ELEMENTS: usize = 16_000;
/// Bytes before the places.
const HEADER: usize = 12;

/// A vector of which most elements are 0.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sparse {
    dimension: u32,
    /// Place, counted from 0, and value of each element that is not 0, in order.
    elements: Vec<(u32, f32)>,
}

fn refuse(message: &str) -> Error {
    Error::new(ErrorKind::DataException, message)
}

fn malformed() -> Error {
    Error::new(ErrorKind::InvalidBinary, "incorrect binary data format")
}

impl Sparse {
    /// A vector of some elements, in any order; zeros among them are left out. Places count from 0.
    pub(crate) fn new(dimension: i64, elements: impl IntoIterator<Item = (i64, f32)>) -> Result<Sparse> {
        let found = usize::try_from(dimension).unwrap_or(0);
        Kind::Sparsevec.check_dimension(found)?;
        let mut kept: Vec<(i64, f32)> = elements.into_iter().filter(|(_, value)| *value != 0.0).collect();
        if kept.len() > MAX_ELEMENTS {
            return Err(too_many());
        }
        kept.sort_by_key(|(place, _)| *place);
        let mut elements = Vec::with_capacity(kept.len());
        for (place, value) in kept {
            if !(0..dimension).contains(&place) {
                return Err(refuse("sparsevec index out of bounds"));
            }
            if elements.last().is_some_and(|(last, _)| i64::from(*last) == place) {
                return Err(refuse("sparsevec indices must not contain duplicates"));
            }
            elements.push((place as u32, value));
        }
        Ok(Sparse { dimension: found as u32, elements })
    }

    /// The vector of these elements.
    pub(crate) fn of_dense(elements: &[f32]) -> Result<Sparse> {
        Self::new(elements.len() as i64, elements.iter().enumerate().map(|(place, value)| (place as i64, *value)))
    }

    /// All elements.
    pub(crate) fn to_dense(&self) -> Vec<f32> {
        let mut dense = vec![0.0; self.dimension as usize];
        for (place, value) in &self.elements {
            dense[*place as usize] = *value;
        }
        dense
    }

    pub(crate) fn dimension(&self) -> usize {
        self.dimension as usize
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = f32> {
        self.elements.iter().map(|(_, value)| *value)
    }

    /// The same places with other values, those that became 0 left out.
    pub(crate) fn map(&self, change: impl Fn(f32) -> f32) -> Sparse {
        let elements = self.elements.iter().map(|(place, value)| (*place, change(*value)));
        Sparse { dimension: self.dimension, elements: elements.filter(|(_, value)| *value != 0.0).collect() }
    }

    /// Reads bytes that a client sent.
    pub(crate) fn from_bytes(mut data: &[u8]) -> Result<Sparse> {
        if data.len() < HEADER {
            return Err(malformed());
        }
        let (dimension, count, unused) = (data.get_i32(), data.get_i32(), data.get_i32());
        if dimension < 1 {
            return Err(Kind::Sparsevec.no_dimension());
        }
        Kind::Sparsevec.check_dimension(dimension as usize)?;
        let count = usize::try_from(count)
            .map_err(|_| refuse("sparsevec must have at least 0 elements"))
            .and_then(|count| if count > MAX_ELEMENTS { Err(too_many()) } else { Ok(count) })?;
        if unused != 0 {
            return Err(refuse(&format!("expected unused to be 0, not {unused}")));
        }
        if data.len() != count * 8 {
            return Err(malformed());
        }
        let places: Vec<i32> = (0..count).map(|_| data.get_i32()).collect();
        let mut elements: Vec<(u32, f32)> = Vec::with_capacity(count);
        for place in places {
            let value = data.get_f32();
            if place < 0 || place >= dimension {
                return Err(refuse("sparsevec index out of bounds"));
            }
            match elements.last() {
                Some((last, _)) if *last == place as u32 => {
                    return Err(refuse("sparsevec indices must not contain duplicates"));
                }
                Some((last, _)) if *last > place as u32 => {
                    return Err(refuse("sparsevec indices must be in ascending order"));
                }
                _ => {}
            }
            Kind::Sparsevec.check_element(value)?;
            if value == 0.0 {
                return Err(refuse("binary representation of sparsevec cannot contain zero values"));
            }
            elements.push((place as u32, value));
        }
        Ok(Sparse { dimension: dimension as u32, elements })
    }

    /// Reads bytes that were checked when they came.
    pub(crate) fn stored(data: &[u8]) -> Result<Sparse> {
        Self::from_bytes(data).map_err(|_| Error::new(ErrorKind::Storage, "a stored sparsevec is damaged"))
    }

    /// The bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + self.elements.len() * 8);
        out.put_u32(self.dimension);
        out.put_u32(self.elements.len() as u32);
        out.put_u32(0);
        self.elements.iter().for_each(|(place, _)| out.put_u32(*place));
        self.elements.iter().for_each(|(_, value)| out.put_f32(*value));
        out
    }

    /// Place (from 0) and value of the elements that are not 0.
    pub(crate) fn elements(&self) -> &[(u32, f32)] {
        &self.elements
    }

    /// Goes through the places where either vector has an element, with both elements.
    pub(crate) fn for_each_pair(&self, other: &Sparse, mut take: impl FnMut(f32, f32)) {
        let (mut left, mut right) = (self.elements.iter().peekable(), other.elements.iter().peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (None, None) => return,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((a, _)), Some((b, _))) => a.cmp(b),
            };
            let a = if order.is_le() { left.next().map_or(0.0, |(_, value)| *value) } else { 0.0 };
            let b = if order.is_ge() { right.next().map_or(0.0, |(_, value)| *value) } else { 0.0 };
            take(a, b);
        }
    }
}

fn too_many() -> Error {
    let message = format!("sparsevec cannot have more than {MAX_ELEMENTS} non-zero elements");
    Error::new(ErrorKind::ProgramLimit, message)
}

/// Bytes whose order is that of the vectors: element by element, and then the lower dimension first.
///
/// An element above 0 comes after what ends here, and one below 0 before it; among those above, the earlier place is the
/// greater vector.
pub(crate) fn sort_key(vector: &Sparse) -> Vec<u8> {
    let mut key = Vec::with_capacity(vector.elements.len() * 9 + 5);
    for (place, value) in &vector.elements {
        let bits = value.to_bits();
        if *value > 0.0 {
            key.put_u8(2);
            key.put_u32(!place);
            key.put_u32(bits);
        } else {
            key.put_u8(0);
            key.put_u32(*place);
            key.put_u32(!bits);
        }
    }
    key.put_u8(1);
    key.put_u32(vector.dimension);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_wild_ones_are_refused() {
        let vector = Sparse::new(5, [(3, 2.0), (0, -1.5), (1, 0.0)]).unwrap();
        assert_eq!(Sparse::from_bytes(&vector.to_bytes()).unwrap(), vector);
        let words = |words: &[i32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
        let one = 1_f32.to_bits() as i32;
        for (bytes, message) in [
            (words(&[0, 0, 0]), "sparsevec must have at least 1 dimension"),
            (words(&[3, 0, 7]), "expected unused to be 0, not 7"),
            (words(&[3, 1, 0, 3, one]), "sparsevec index out of bounds"),
            (words(&[3, 2, 0, 1, 1, one, one]), "sparsevec indices must not contain duplicates"),
            (words(&[3, 2, 0, 2, 1, one, one]), "sparsevec indices must be in ascending order"),
            (words(&[3, 1, 0, 1, 0]), "binary representation of sparsevec cannot contain zero values"),
            (words(&[3, i32::MAX, 0]), "sparsevec cannot have more than 16000 non-zero elements"),
            (words(&[3, 2, 0]), "incorrect binary data format"),
        ] {
            assert_eq!(Sparse::from_bytes(&bytes).unwrap_err().message(), message);
        }
    }

    #[test]
    fn keys_sort_as_vectors_do() {
        // The order of all elements, one after another, is what pgvector's comparison comes to.
        let vectors: Vec<Sparse> = (0..3_i32.pow(4))
            .map(|number| {
                let digit = |place: u32| (number / 3_i32.pow(place) % 3 - 1) as f32;
                Sparse::new(4, (0..4).map(|place| (i64::from(place), digit(place)))).unwrap()
            })
            .collect();
        for a in &vectors {
            for b in &vectors {
                let expected = a.to_dense().partial_cmp(&b.to_dense()).unwrap();
                assert_eq!(sort_key(a).cmp(&sort_key(b)), expected, "{a:?} {b:?}");
            }
        }
    }
}
