//! Values of `bit` and `bit varying`.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, FixedSizeListArray, LargeListArray, NullBufferBuilder,
};
use arrow::buffer::{BooleanBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::DataType;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

/// A column of bit strings in either layout.
#[derive(Debug, Clone)]
pub(crate) struct Bits {
    values: BooleanBuffer,
    /// The length of every row; `None` where rows stand between offsets.
    length: Option<usize>,
    offsets: Option<OffsetBuffer<i64>>,
    nulls: Option<NullBuffer>,
    rows: usize,
}

impl Bits {
    /// Reads an array; `None` if it is not one of bit strings.
    pub(crate) fn get(array: &ArrayRef) -> Option<Bits> {
        let (values, length, offsets) = match array.data_type() {
            DataType::FixedSizeList(_, length) => {
                (array.as_fixed_size_list().values(), Some(usize::try_from(*length).ok()?), None)
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                (list.values(), None, Some(list.offsets().clone()))
            }
            _ => return None,
        };
        let values = values.as_boolean_opt()?.values().clone();
        Some(Bits { values, length, offsets, nulls: array.nulls().cloned(), rows: array.len() })
    }

    /// Reads an array of bit strings.
    pub(crate) fn new(array: &ArrayRef) -> Result<Bits> {
        Self::get(array).ok_or_else(|| Error::internal(format!("{} holds no bit strings", array.data_type())))
    }

    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// The bits of a row.
    pub(crate) fn row(&self, row: usize) -> BooleanBuffer {
        match (&self.length, &self.offsets) {
            (Some(length), _) => self.values.slice(row * length, *length),
            (None, Some(offsets)) => {
                let (start, end) = (offsets[row] as usize, offsets[row + 1] as usize);
                self.values.slice(start, end - start)
            }
            (None, None) => self.values.slice(0, 0),
        }
    }
}

/// `0` and `1`, as text.
pub(crate) fn append_bits(out: &mut String, bits: &BooleanBuffer) {
    out.extend(bits.iter().map(|bit| if bit { '1' } else { '0' }));
}

/// The bits that a text stands for: digits of base 2, after a `b` or none, or of base 16, after an `x`.
pub(crate) fn parse_bits(text: &str) -> Result<Vec<bool>> {
    let invalid = |digit: char, base: &str| {
        Error::new(ErrorKind::InvalidText, format!("\"{digit}\" is not a valid {base} digit"))
    };
    if let Some(digits) = text.strip_prefix(['x', 'X']) {
        let mut bits = Vec::with_capacity(digits.len() * 4);
        for digit in digits.chars() {
            let value = digit.to_digit(16).ok_or_else(|| invalid(digit, "hexadecimal"))?;
            bits.extend((0..4).rev().map(|bit| value >> bit & 1 == 1));
        }
        return Ok(bits);
    }
    let digits = text.strip_prefix(['b', 'B']).unwrap_or(text);
    let bit = |digit| match digit {
        '0' => Ok(false),
        '1' => Ok(true),
        other => Err(invalid(other, "binary")),
    };
    digits.chars().map(bit).collect()
}

/// The order of bit strings: bit by bit, and then the shorter one first.
pub(crate) fn compare(left: &BooleanBuffer, right: &BooleanBuffer) -> Ordering {
    left.iter().cmp(right.iter())
}

/// Bit strings on their way into an array.
#[derive(Debug)]
pub(crate) struct BitsBuilder {
    sql_type: SqlType,
    values: BooleanBufferBuilder,
    ends: Vec<i64>,
    nulls: NullBufferBuilder,
}

impl BitsBuilder {
    /// A builder for arrays of a type, which is `bit` or `bit varying`.
    pub(crate) fn new(sql_type: &SqlType, capacity: usize) -> BitsBuilder {
        let mut ends = Vec::with_capacity(capacity + 1);
        ends.push(0);
        BitsBuilder {
            sql_type: sql_type.clone(),
            values: BooleanBufferBuilder::new(capacity),
            ends,
            nulls: NullBufferBuilder::new(capacity),
        }
    }

    /// Appends a bit string; one of a length that the type does not have is an error.
    pub(crate) fn push(&mut self, bits: &[bool]) -> Result<()> {
        match self.sql_type {
            SqlType::Bit(length) if length > 0 && length as usize != bits.len() => {
                let message = format!("bit string length {} does not match type bit({length})", bits.len());
                return Err(Error::new(ErrorKind::StringLengthMismatch, message));
            }
            SqlType::Varbit(most) if most > 0 && bits.len() > most as usize => {
                let message = format!("bit string too long for type bit varying({most})");
                return Err(Error::new(ErrorKind::StringTooLong, message));
            }
            _ => {}
        }
        self.values.append_slice(bits);
        self.ends.push(self.values.len() as i64);
        self.nulls.append_non_null();
        Ok(())
    }

    /// Appends what a cast makes of a bit string: cut off or filled up with zeros on the right.
    pub(crate) fn push_resized(&mut self, mut bits: Vec<bool>) -> Result<()> {
        match self.sql_type {
            SqlType::Bit(length) if length > 0 => bits.resize(length as usize, false),
            SqlType::Varbit(most) if most > 0 => bits.truncate(most as usize),
            _ => {}
        }
        self.push(&bits)
    }

    pub(crate) fn push_null(&mut self) {
        if let SqlType::Bit(length) = self.sql_type {
            self.values.append_n(length as usize, false);
        }
        self.ends.push(self.values.len() as i64);
        self.nulls.append_null();
    }

    /// The array, in exactly the Arrow type of its SQL type.
    pub(crate) fn finish(mut self) -> Result<ArrayRef> {
        let (rows, nulls) = (self.ends.len() - 1, self.nulls.finish());
        let values = Arc::new(BooleanArray::new(self.values.finish(), None));
        let list = match self.sql_type.arrow_type() {
            DataType::FixedSizeList(item, length) => {
                FixedSizeListArray::try_new_with_length(item, length, values, nulls, rows)
                    .map(|list| Arc::new(list) as ArrayRef)
            }
            DataType::LargeList(item) => {
                LargeListArray::try_new(item, OffsetBuffer::new(ScalarBuffer::from(self.ends)), values, nulls)
                    .map(|list| Arc::new(list) as ArrayRef)
            }
            other => return Err(Error::internal(format!("{other} holds no bit strings"))),
        };
        list.map_err(|error| Error::internal(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_both_bases_are_read() {
        let text = |text: &str| {
            let mut out = String::new();
            append_bits(&mut out, &BooleanBuffer::from(parse_bits(text).expect(text)));
            out
        };
        assert_eq!(text("101"), "101");
        assert_eq!(text("b01"), "01");
        assert_eq!(text("x1F"), "00011111");
        assert_eq!(text(""), "");
        assert_eq!(parse_bits("102").unwrap_err().message(), "\"2\" is not a valid binary digit");
        assert_eq!(parse_bits("xZ").unwrap_err().message(), "\"Z\" is not a valid hexadecimal digit");
    }

    #[test]
    fn a_cast_cuts_off_and_fills_up() {
        let mut builder = BitsBuilder::new(&SqlType::Bit(3), 2);
        builder.push_resized(vec![true]).unwrap();
        builder.push_null();
        builder.push_resized(vec![false, true, true, true]).unwrap();
        assert_eq!(builder.push(&[true]).unwrap_err().kind(), ErrorKind::StringLengthMismatch);
        let array = builder.finish().unwrap();
        let bits = Bits::new(&array).unwrap();
        assert!(bits.is_null(1));
        assert_eq!(bits.row(0).iter().collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(bits.row(2).iter().collect::<Vec<_>>(), [false, true, true]);
    }
}
