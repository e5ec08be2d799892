//! The functions of openCypher that are no aggregates: their names, what they take and what they give.

/// A function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is called as it is named; openCypher says what it does")]
pub enum Function {
    Abs,
    Acos,
    Asin,
    Atan,
    Atan2,
    Ceil,
    Coalesce,
    Cos,
    Cot,
    Date,
    DateTime,
    Degrees,
    Duration,
    DurationBetween,
    E,
    /// The key of the node at an end of a relationship, where that is a row of a table: `(r, 0 or 1, table)`.
    EndKey,
    Exp,
    Floor,
    /// Whether an element has labels: `(n, label, ...)`.
    HasLabel,
    Haversin,
    Head,
    Id,
    IsEmpty,
    IsNan,
    /// The key of an element that is a row of a table, and NULL for any other value: `(n, table)`.
    KeyIn,
    Keys,
    Labels,
    Last,
    Left,
    LeftTrim,
    Length,
    LocalDateTime,
    LocalTime,
    Log,
    Log10,
    /// The members of several maps, of which later ones win.
    Merge,
    Nodes,
    NullIf,
    Pi,
    Properties,
    Radians,
    Rand,
    Range,
    Relationships,
    Replace,
    Reverse,
    Right,
    RightTrim,
    Round,
    Sign,
    Sin,
    Size,
    Split,
    Sqrt,
    Substring,
    Tail,
    Tan,
    Time,
    Timestamp,
    ToBoolean,
    ToBooleanOrNull,
    ToFloat,
    ToFloatOrNull,
    ToInteger,
    ToIntegerOrNull,
    ToLower,
    ToString,
    ToStringOrNull,
    ToUpper,
    Trim,
    Type,
}

/// What an argument must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    /// A string.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// A list.
    List,
    /// A list or a string.
    Sized,
    /// Anything.
    Any,
    /// A node, a relationship, a path or a map, as a dynamic value.
    Dynamic,
}

/// What a function gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returns {
    /// `text`
    Text,
    /// A list of strings.
    Texts,
    /// `bigint`
    Integer,
    /// A list of whole numbers.
    Integers,
    /// `double precision`
    Double,
    /// `boolean`
    Boolean,
    /// A number of its argument's type.
    Number,
    /// A value of the type of its first argument.
    Same,
    /// An element of the list that is its first argument.
    Element,
    /// A dynamic value.
    Dynamic,
    /// `date`
    Date,
    /// `time`
    Time,
    /// `timestamp`
    Timestamp,
    /// `timestamptz`
    TimestampTz,
    /// `interval`
    Interval,
}

/// How a function is called.
#[derive(Debug, Clone, Copy)]
pub struct Signature {
    /// The function.
    pub function: Function,
    /// Its names, as they are written.
    pub names: &'static [&'static str],
    /// The arguments that it must have.
    pub required: &'static [Parameter],
    /// The arguments that may follow.
    pub optional: &'static [Parameter],
    /// What it gives.
    pub returns: Returns,
}

impl Signature {
    /// The function of a name, in any case.
    pub fn named(name: &str) -> Option<&'static Signature> {
        SIGNATURES.iter().find(|signature| signature.names.iter().any(|other| other.eq_ignore_ascii_case(name)))
    }
}

impl Function {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Function::Coalesce => "coalesce",
            Function::EndKey => "startNode or endNode",
            Function::HasLabel => "a label",
            Function::KeyIn => "a node",
            Function::Merge => "a projection of a map",
            Function::NullIf => "nullIf",
            function => SIGNATURES
                .iter()
                .find(|signature| signature.function == function)
                .map_or("a function", |signature| signature.names[0]),
        }
    }
}

const fn signature(
    function: Function,
    names: &'static [&'static str],
    required: &'static [Parameter],
    returns: Returns,
) -> Signature {
    Signature { function, names, required, optional: &[], returns }
}

const fn optional(signature: Signature, optional: &'static [Parameter]) -> Signature {
    Signature { optional, ..signature }
}

/// Every function that takes its arguments by what they are alone.
const SIGNATURES: &[Signature] = {
    use Parameter::{Any, Dynamic, Integer, List, Number, Sized, Text};
    &[
        signature(Function::Abs, &["abs"], &[Number], Returns::Number),
        signature(Function::Acos, &["acos"], &[Number], Returns::Double),
        signature(Function::Asin, &["asin"], &[Number], Returns::Double),
        signature(Function::Atan, &["atan"], &[Number], Returns::Double),
        signature(Function::Atan2, &["atan2"], &[Number, Number], Returns::Double),
        signature(Function::Ceil, &["ceil", "ceiling"], &[Number], Returns::Double),
        signature(Function::Cos, &["cos"], &[Number], Returns::Double),
        signature(Function::Cot, &["cot"], &[Number], Returns::Double),
        optional(signature(Function::Date, &["date"], &[], Returns::Date), &[Any]),
        optional(signature(Function::DateTime, &["datetime"], &[], Returns::TimestampTz), &[Any]),
        signature(Function::Degrees, &["degrees"], &[Number], Returns::Double),
        signature(Function::Duration, &["duration"], &[Any], Returns::Interval),
        signature(Function::DurationBetween, &["duration.between"], &[Any, Any], Returns::Interval),
        signature(Function::E, &["e"], &[], Returns::Double),
        signature(Function::Exp, &["exp"], &[Number], Returns::Double),
        signature(Function::Floor, &["floor"], &[Number], Returns::Double),
        signature(Function::Haversin, &["haversin"], &[Number], Returns::Double),
        signature(Function::Head, &["head"], &[List], Returns::Element),
        signature(Function::Id, &["id", "elementId"], &[Dynamic], Returns::Dynamic),
        signature(Function::IsEmpty, &["isEmpty"], &[Sized], Returns::Boolean),
        signature(Function::IsNan, &["isNaN"], &[Number], Returns::Boolean),
        signature(Function::Keys, &["keys"], &[Dynamic], Returns::Texts),
        signature(Function::Labels, &["labels"], &[Dynamic], Returns::Texts),
        signature(Function::Last, &["last"], &[List], Returns::Element),
        signature(Function::Left, &["left"], &[Text, Integer], Returns::Text),
        signature(Function::LeftTrim, &["ltrim"], &[Text], Returns::Text),
        signature(Function::Length, &["length"], &[Dynamic], Returns::Integer),
        optional(signature(Function::LocalDateTime, &["localdatetime"], &[], Returns::Timestamp), &[Any]),
        optional(signature(Function::LocalTime, &["localtime"], &[], Returns::Time), &[Any]),
        signature(Function::Log, &["log", "ln"], &[Number], Returns::Double),
        signature(Function::Log10, &["log10"], &[Number], Returns::Double),
        signature(Function::Nodes, &["nodes"], &[Dynamic], Returns::Dynamic),
        signature(Function::Pi, &["pi"], &[], Returns::Double),
        signature(Function::Properties, &["properties"], &[Dynamic], Returns::Dynamic),
        signature(Function::Radians, &["radians"], &[Number], Returns::Double),
        signature(Function::Rand, &["rand"], &[], Returns::Double),
        optional(signature(Function::Range, &["range"], &[Integer, Integer], Returns::Integers), &[Integer]),
        signature(Function::Relationships, &["relationships", "rels"], &[Dynamic], Returns::Dynamic),
        signature(Function::Replace, &["replace"], &[Text, Text, Text], Returns::Text),
        signature(Function::Reverse, &["reverse"], &[Sized], Returns::Same),
        signature(Function::Right, &["right"], &[Text, Integer], Returns::Text),
        signature(Function::RightTrim, &["rtrim"], &[Text], Returns::Text),
        optional(signature(Function::Round, &["round"], &[Number], Returns::Double), &[Integer]),
        signature(Function::Sign, &["sign"], &[Number], Returns::Integer),
        signature(Function::Sin, &["sin"], &[Number], Returns::Double),
        signature(Function::Size, &["size", "char_length", "character_length"], &[Sized], Returns::Integer),
        signature(Function::Split, &["split"], &[Text, Text], Returns::Texts),
        signature(Function::Sqrt, &["sqrt"], &[Number], Returns::Double),
        optional(signature(Function::Substring, &["substring"], &[Text, Integer], Returns::Text), &[Integer]),
        signature(Function::Tail, &["tail"], &[List], Returns::Same),
        signature(Function::Tan, &["tan"], &[Number], Returns::Double),
        optional(signature(Function::Time, &["time"], &[], Returns::Time), &[Any]),
        signature(Function::Timestamp, &["timestamp"], &[], Returns::Integer),
        signature(Function::ToBoolean, &["toBoolean"], &[Any], Returns::Boolean),
        signature(Function::ToBooleanOrNull, &["toBooleanOrNull"], &[Any], Returns::Boolean),
        signature(Function::ToFloat, &["toFloat"], &[Any], Returns::Double),
        signature(Function::ToFloatOrNull, &["toFloatOrNull"], &[Any], Returns::Double),
        signature(Function::ToInteger, &["toInteger"], &[Any], Returns::Integer),
        signature(Function::ToIntegerOrNull, &["toIntegerOrNull"], &[Any], Returns::Integer),
        signature(Function::ToLower, &["toLower", "lower"], &[Text], Returns::Text),
        signature(Function::ToString, &["toString"], &[Any], Returns::Text),
        signature(Function::ToStringOrNull, &["toStringOrNull"], &[Any], Returns::Text),
        signature(Function::ToUpper, &["toUpper", "upper"], &[Text], Returns::Text),
        signature(Function::Trim, &["trim", "btrim"], &[Text], Returns::Text),
        signature(Function::Type, &["type"], &[Dynamic], Returns::Text),
    ]
};
