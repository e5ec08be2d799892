//! Object ids of types: the one table that `pg_type`, `format_type` and the wire read.
//!
//! Numbers, lengths and categories are those of Postgres's `pg_type.dat`, because clients have them compiled in. pgvector's
//! types are an extension there, with ids that differ by installation; here they are built in and their ids are fixed.

use std::collections::HashMap;

use arrow::datatypes::{DataType, Field};
use slipstream_engine::types::{DEFAULT_NUMERIC, SQL_TYPE_KEY, SqlType};

/// Field metadata key that names the Postgres type of a column where no [`SqlType`] stands for it (`oid`, `name`,
/// `"char"`, `regproc`, ...). The wire sends such a column as that type.
pub const PG_TYPE_KEY: &str = "slipstream.pg_type";

/// Object id of `vector`.
pub const VECTOR: u32 = 16388;
/// Object id of `vector[]`.
pub const VECTOR_ARRAY: u32 = 16389;
/// Object id of `halfvec`.
pub const HALFVEC: u32 = 16394;
/// Object id of `sparsevec`.
pub const SPARSEVEC: u32 = 16400;

/// Functions that read and write every array type: input, output, receive, send.
pub(super) const ARRAY_FUNCTIONS: [u32; 4] = [750, 751, 2400, 2401];
/// Prefix of the names of [`ARRAY_FUNCTIONS`].
pub(super) const ARRAY_IO: &str = "array_";

/// A type that is not an array, as `pg_type` describes it.
#[derive(Debug, PartialEq, Eq)]
pub struct ScalarType {
    /// Name.
    pub name: &'static str,
    /// Object id.
    pub oid: u32,
    /// Object id of its array type; 0 where there is none.
    pub array: u32,
    /// Length in bytes; -1 for variable length, -2 for a C string.
    pub length: i16,
    /// `typcategory`: N for numbers, S for strings, and so on.
    pub category: char,
    /// `typalign`.
    pub align: char,
    /// `typstorage`.
    pub storage: char,
    /// What the names of its input and output functions begin with.
    pub(super) io: &'static str,
    /// Object ids of its input, output, receive and send functions; 0 where there is none.
    pub(super) functions: [u32; 4],
}

#[expect(clippy::too_many_arguments, reason = "one line of the table below")]
const fn scalar(
    name: &'static str,
    oid: u32,
    array: u32,
    length: i16,
    category: char,
    align: char,
    storage: char,
    io: &'static str,
    functions: [u32; 4],
) -> ScalarType {
    ScalarType { name, oid, array, length, category, align, storage, io, functions }
}

/// All types that are not arrays: those of columns, those of metadata columns, and those that clients look for.
#[rustfmt::skip]
pub static TYPES: &[ScalarType] = &[
    // name, oid, array oid, length, category, alignment, storage, names and oids of input, output, receive, send
    scalar("bool", 16, 1000, 1, 'B', 'c', 'p', "bool", [1242, 1243, 2436, 2437]),
    scalar("bytea", 17, 1001, -1, 'U', 'i', 'x', "bytea", [1244, 31, 2412, 2413]),
    scalar("char", 18, 1002, 1, 'Z', 'c', 'p', "char", [1245, 33, 2434, 2435]),
    scalar("name", 19, 1003, 64, 'S', 'c', 'p', "name", [34, 35, 2422, 2423]),
    scalar("int8", 20, 1016, 8, 'N', 'd', 'p', "int8", [460, 461, 2408, 2409]),
    scalar("int2", 21, 1005, 2, 'N', 's', 'p', "int2", [38, 39, 2404, 2405]),
    scalar("int2vector", 22, 1006, -1, 'A', 'i', 'p', "int2vector", [40, 41, 2410, 2411]),
    scalar("int4", 23, 1007, 4, 'N', 'i', 'p', "int4", [42, 43, 2406, 2407]),
    scalar("regproc", 24, 1008, 4, 'N', 'i', 'p', "regproc", [44, 45, 2444, 2445]),
    scalar("text", 25, 1009, -1, 'S', 'i', 'x', "text", [46, 47, 2414, 2415]),
    scalar("oid", 26, 1028, 4, 'N', 'i', 'p', "oid", [1798, 1799, 2418, 2419]),
    scalar("tid", 27, 1010, 6, 'U', 's', 'p', "tid", [48, 49, 2438, 2439]),
    scalar("xid", 28, 1011, 4, 'U', 'i', 'p', "xid", [50, 51, 2440, 2441]),
    scalar("cid", 29, 1012, 4, 'U', 'i', 'p', "cid", [52, 53, 2442, 2443]),
    scalar("oidvector", 30, 1013, -1, 'A', 'i', 'p', "oidvector", [54, 55, 2420, 2421]),
    scalar("json", 114, 199, -1, 'U', 'i', 'x', "json_", [321, 322, 323, 324]),
    scalar("xml", 142, 143, -1, 'U', 'i', 'x', "xml_", [2893, 2894, 2898, 2899]),
    scalar("pg_node_tree", 194, 0, -1, 'Z', 'i', 'x', "pg_node_tree_", [195, 196, 197, 198]),
    scalar("point", 600, 1017, 16, 'G', 'd', 'p', "point_", [117, 118, 2428, 2429]),
    scalar("cidr", 650, 651, -1, 'I', 'i', 'm', "cidr_", [1267, 1427, 2498, 2499]),
    scalar("float4", 700, 1021, 4, 'N', 'i', 'p', "float4", [200, 201, 2424, 2425]),
    scalar("float8", 701, 1022, 8, 'N', 'd', 'p', "float8", [214, 215, 2426, 2427]),
    scalar("unknown", 705, 0, -2, 'X', 'c', 'p', "unknown", [109, 110, 2416, 2417]),
    scalar("money", 790, 791, 8, 'N', 'd', 'p', "cash_", [886, 887, 2492, 2493]),
    scalar("macaddr", 829, 1040, 6, 'U', 'i', 'p', "macaddr_", [436, 437, 2494, 2495]),
    scalar("inet", 869, 1041, -1, 'I', 'i', 'm', "inet_", [910, 911, 2496, 2497]),
    scalar("aclitem", 1033, 1034, 12, 'U', 'i', 'p', "aclitem", [1031, 1032, 0, 0]),
    scalar("bpchar", 1042, 1014, -1, 'S', 'i', 'x', "bpchar", [1044, 1045, 2430, 2431]),
    scalar("varchar", 1043, 1015, -1, 'S', 'i', 'x', "varchar", [1046, 1047, 2432, 2433]),
    scalar("date", 1082, 1182, 4, 'D', 'i', 'p', "date_", [1084, 1085, 2468, 2469]),
    scalar("time", 1083, 1183, 8, 'D', 'd', 'p', "time_", [1143, 1144, 2470, 2471]),
    scalar("timestamp", 1114, 1115, 8, 'D', 'd', 'p', "timestamp_", [1312, 1313, 2474, 2475]),
    scalar("timestamptz", 1184, 1185, 8, 'D', 'd', 'p', "timestamptz_", [1150, 1151, 2476, 2477]),
    scalar("interval", 1186, 1187, 16, 'T', 'd', 'p', "interval_", [1160, 1161, 2478, 2479]),
    scalar("timetz", 1266, 1270, 12, 'D', 'd', 'p', "timetz_", [1350, 1351, 2472, 2473]),
    scalar("bit", 1560, 1561, -1, 'V', 'i', 'x', "bit_", [1564, 1565, 2456, 2457]),
    scalar("varbit", 1562, 1563, -1, 'V', 'i', 'x', "varbit_", [1579, 1580, 2458, 2459]),
    scalar("numeric", 1700, 1231, -1, 'N', 'i', 'm', "numeric_", [1701, 1702, 2460, 2461]),
    scalar("refcursor", 1790, 2201, -1, 'U', 'i', 'x', "text", [46, 47, 2414, 2415]),
    scalar("regprocedure", 2202, 2207, 4, 'N', 'i', 'p', "regprocedure", [2212, 2213, 2446, 2447]),
    scalar("regoper", 2203, 2208, 4, 'N', 'i', 'p', "regoper", [2214, 2215, 2448, 2449]),
    scalar("regclass", 2205, 2210, 4, 'N', 'i', 'p', "regclass", [2218, 2219, 2452, 2453]),
    scalar("regtype", 2206, 2211, 4, 'N', 'i', 'p', "regtype", [2220, 2221, 2454, 2455]),
    scalar("record", 2249, 2287, -1, 'P', 'd', 'x', "record_", [2290, 2291, 2402, 2403]),
    scalar("cstring", 2275, 1263, -2, 'P', 'c', 'p', "cstring_", [2292, 2293, 2500, 2501]),
    scalar("any", 2276, 0, 4, 'P', 'i', 'p', "any_", [2294, 2295, 0, 0]),
    scalar("anyarray", 2277, 0, -1, 'P', 'd', 'x', "anyarray_", [2296, 2297, 2502, 2503]),
    scalar("void", 2278, 0, 4, 'P', 'i', 'p', "void_", [2298, 2299, 3120, 3121]),
    scalar("trigger", 2279, 0, 4, 'P', 'i', 'p', "trigger_", [2300, 2301, 0, 0]),
    scalar("language_handler", 2280, 0, 4, 'P', 'i', 'p', "language_handler_", [2302, 2303, 0, 0]),
    scalar("internal", 2281, 0, 8, 'P', 'd', 'p', "internal_", [2304, 2305, 0, 0]),
    scalar("anyelement", 2283, 0, 4, 'P', 'i', 'p', "anyelement_", [2312, 2313, 0, 0]),
    scalar("anynonarray", 2776, 0, 4, 'P', 'i', 'p', "anynonarray_", [2777, 2778, 0, 0]),
    scalar("uuid", 2950, 2951, 16, 'U', 'c', 'p', "uuid_", [2952, 2953, 2961, 2962]),
    scalar("pg_lsn", 3220, 3221, 8, 'U', 'd', 'p', "pg_lsn_", [3229, 3230, 3238, 3239]),
    scalar("pg_ndistinct", 3361, 0, -1, 'Z', 'i', 'x', "pg_ndistinct_", [3355, 3356, 3357, 3358]),
    scalar("pg_dependencies", 3402, 0, -1, 'Z', 'i', 'x', "pg_dependencies_", [3404, 3405, 3406, 3407]),
    scalar("tsvector", 3614, 3643, -1, 'U', 'i', 'x', "tsvector", [3610, 3611, 3639, 3638]),
    scalar("tsquery", 3615, 3645, -1, 'U', 'i', 'p', "tsquery", [3612, 3613, 3641, 3640]),
    scalar("regconfig", 3734, 3735, 4, 'N', 'i', 'p', "regconfig", [3736, 3737, 3738, 3739]),
    scalar("jsonb", 3802, 3807, -1, 'U', 'i', 'x', "jsonb_", [3806, 3804, 3805, 3803]),
    scalar("event_trigger", 3838, 0, 4, 'P', 'i', 'p', "event_trigger_", [3594, 3595, 0, 0]),
    scalar("jsonpath", 4072, 4073, -1, 'U', 'i', 'x', "jsonpath_", [4001, 4003, 4002, 4004]),
    scalar("regnamespace", 4089, 4090, 4, 'N', 'i', 'p', "regnamespace", [4084, 4085, 4087, 4088]),
    scalar("regrole", 4096, 4097, 4, 'N', 'i', 'p', "regrole", [4098, 4092, 4094, 4095]),
    scalar("pg_mcv_list", 5017, 0, -1, 'Z', 'i', 'x', "pg_mcv_list_", [5018, 5019, 5020, 5021]),
    scalar("xid8", 5069, 271, 8, 'U', 'd', 'p', "xid8", [5070, 5081, 5082, 5083]),
    scalar("vector", VECTOR, VECTOR_ARRAY, -1, 'U', 'd', 'e', "vector_", [16390, 16391, 16392, 16393]),
    scalar("halfvec", HALFVEC, 16395, -1, 'U', 'd', 'e', "halfvec_", [16396, 16397, 16398, 16399]),
    scalar("sparsevec", SPARSEVEC, 16401, -1, 'U', 'd', 'e', "sparsevec_", [16402, 16403, 16404, 16405]),
];

/// Object id of `oid`.
const OID: u32 = 26;

/// Ways in which clients get a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As its [`SqlType`] is written.
    Plain,
    /// Four bytes without a sign, kept as `bigint`.
    ObjectId,
    /// One byte, kept as `text`.
    Byte,
    /// An array that counts from 0 and has blanks between its items as text.
    Vector,
}

/// A type of a column: one of [`TYPES`], or an array of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PgType {
    /// The type, or that of the array's items.
    pub scalar: &'static ScalarType,
    /// Whether it is the array type.
    pub array: bool,
}

impl PgType {
    /// The type of that `typname`, with `[]` or a leading `_` for arrays.
    pub fn named(name: &str) -> Option<PgType> {
        let (item, array) = match (name.strip_suffix("[]"), name.strip_prefix('_')) {
            (Some(item), _) | (None, Some(item)) => (item, true),
            (None, None) => (name, false),
        };
        let scalar = TYPES.iter().find(|scalar| scalar.name == item)?;
        Some(PgType { scalar, array })
    }

    /// The type with that object id.
    pub fn with_oid(oid: u32) -> Option<PgType> {
        if oid == 0 {
            return None;
        }
        TYPES
            .iter()
            .find(|scalar| scalar.oid == oid || scalar.array == oid)
            .map(|scalar| PgType { scalar, array: scalar.oid != oid })
    }

    /// The type of a column of a user's table.
    pub fn of(sql_type: &SqlType) -> PgType {
        let (item, array) = match sql_type {
            SqlType::Array(item) => (innermost(item), true),
            other => (other, false),
        };
        PgType { scalar: by_oid(scalar_oid(item)), array }
    }

    /// What a client is told of a plan's column: `None` for Arrow types that no Postgres type stands for.
    pub fn of_field(field: &Field) -> Option<PgType> {
        if let Some(name) = field.metadata().get(PG_TYPE_KEY)
            && let Some(pg_type) = PgType::named(name)
            && same_family(&pg_type.arrow_type(), field.data_type())
        {
            return Some(pg_type);
        }
        SqlType::of_field(field).map(|sql_type| PgType::of(&sql_type))
    }

    /// Object id.
    pub fn oid(&self) -> u32 {
        if self.array { self.scalar.array } else { self.scalar.oid }
    }

    /// `typname`.
    pub fn name(&self) -> String {
        if self.array { format!("_{}", self.scalar.name) } else { self.scalar.name.to_string() }
    }

    /// Length in bytes; -1 for variable length.
    pub fn length(&self) -> i16 {
        if self.array { -1 } else { self.scalar.length }
    }

    /// Whether Postgres passes it by value.
    pub fn by_value(&self) -> bool {
        matches!(self.length(), 1 | 2 | 4 | 8)
    }

    /// `typalign`.
    pub fn align(&self) -> char {
        match (self.array, self.scalar.align) {
            (true, 'd') => 'd',
            (true, _) => 'i',
            (false, align) => align,
        }
    }

    /// How the values that a plan keeps as its [`SqlType`] are written for clients: what only looks like an integer or a text
    /// there has a form of its own.
    pub fn form(&self) -> Form {
        match self.scalar.name {
            "oid" | "xid" | "cid" => Form::ObjectId,
            "char" => Form::Byte,
            "int2vector" | "oidvector" => Form::Vector,
            _ => Form::Plain,
        }
    }

    /// The type as clients are told it. A type whose own form nobody here writes (the name of a `regproc`, the bytes of an
    /// `inet`) is shown as what its values are kept as.
    pub fn shown(&self) -> PgType {
        match self.scalar.name {
            "oid" | "xid" | "cid" | "xid8" | "char" | "name" | "bpchar" | "varchar" | "int2vector" | "oidvector" => {
                *self
            }
            name if name.starts_with("reg") => PgType { scalar: by_oid(OID), array: self.array },
            _ => PgType::of(&self.sql_type()),
        }
    }

    /// `typstorage`.
    pub fn storage(&self) -> char {
        if self.array { 'x' } else { self.scalar.storage }
    }

    /// Object id of its collation; 0 where it has none.
    pub fn collation(&self) -> u32 {
        match self.scalar.name {
            "name" => C_COLLATION,
            "text" | "varchar" | "bpchar" | "pg_node_tree" => DEFAULT_COLLATION,
            _ => 0,
        }
    }

    /// The [`SqlType`] that keeps its values in a plan.
    pub fn sql_type(&self) -> SqlType {
        let item = scalar_sql_type(self.scalar.name);
        if self.array { SqlType::Array(Box::new(item)) } else { item }
    }

    /// The Arrow type of its values in a plan.
    pub fn arrow_type(&self) -> DataType {
        self.sql_type().arrow_type()
    }

    /// A field of this type, with its type in the metadata.
    pub fn field(&self, name: &str, nullable: bool) -> Field {
        let sql_type = self.sql_type();
        let mut metadata = HashMap::from([(SQL_TYPE_KEY.to_string(), sql_type.to_string())]);
        if PgType::of(&sql_type) != *self {
            metadata.insert(PG_TYPE_KEY.to_string(), self.name());
        }
        Field::new(name, sql_type.arrow_type(), nullable).with_metadata(metadata)
    }
}

/// Object id of the collation `default`.
pub(super) const DEFAULT_COLLATION: u32 = 100;
/// Object id of the collation `C`.
pub(super) const C_COLLATION: u32 = 950;

/// Object id of a type.
pub fn type_oid(sql_type: &SqlType) -> u32 {
    PgType::of(sql_type).oid()
}

/// Object id of the array type of a type; that of the type itself where it is an array, as in Postgres.
pub fn array_oid(sql_type: &SqlType) -> u32 {
    PgType::of(sql_type).scalar.array
}

/// Length of a type in bytes; -1 for variable length.
pub fn type_length(sql_type: &SqlType) -> i16 {
    PgType::of(sql_type).length()
}

/// The type modifier: length, precision and scale, or dimension, packed as Postgres packs them; -1 for none.
///
/// A vector's is its dimension, as pgvector has it, and a bit string's its length.
pub fn type_modifier(sql_type: &SqlType) -> i32 {
    match sql_type {
        SqlType::Varchar(length) => *length as i32 + MODIFIER_HEADER,
        SqlType::Numeric { precision, scale } if (*precision, *scale) == DEFAULT_NUMERIC => -1,
        SqlType::Numeric { precision, scale } => {
            ((i32::from(*precision) << 16) | (i32::from(*scale) & 0x7ff)) + MODIFIER_HEADER
        }
        SqlType::Vector(length)
        | SqlType::Halfvec(length)
        | SqlType::Sparsevec(length)
        | SqlType::Bit(length)
        | SqlType::Varbit(length)
            if *length > 0 =>
        {
            *length as i32
        }
        SqlType::Array(item) => type_modifier(item),
        _ => -1,
    }
}

/// Postgres adds the size of a variable-length header to packed lengths.
const MODIFIER_HEADER: i32 = 4;

/// A type as SQL writes it, as `format_type` does. Without a modifier it is the bare type; `???` for an unknown id.
pub fn format_type(oid: u32, modifier: Option<i32>) -> String {
    if oid == 0 {
        return "-".to_string();
    }
    let Some(pg_type) = PgType::with_oid(oid) else {
        return "???".to_string();
    };
    let mut name = format_scalar(pg_type.scalar.name, modifier.filter(|modifier| *modifier >= 0));
    if pg_type.array {
        name.push_str("[]");
    }
    name
}

fn format_scalar(name: &str, modifier: Option<i32>) -> String {
    let length = modifier.map(|modifier| modifier - MODIFIER_HEADER);
    let seconds = modifier.map(|digits| format!("({digits})")).unwrap_or_default();
    match (name, length) {
        ("bool", _) => "boolean".to_string(),
        ("int2", _) => "smallint".to_string(),
        ("int4", _) => "integer".to_string(),
        ("int8", _) => "bigint".to_string(),
        ("float4", _) => "real".to_string(),
        ("float8", _) => "double precision".to_string(),
        ("char", _) => "\"char\"".to_string(),
        ("bpchar", Some(length)) => format!("character({length})"),
        ("bpchar", None) => "character".to_string(),
        ("varchar", Some(length)) => format!("character varying({length})"),
        ("varchar", None) => "character varying".to_string(),
        ("numeric", Some(packed)) => format!("numeric({},{})", packed >> 16, ((packed & 0x7ff) ^ 1024) - 1024),
        ("time", _) => format!("time{seconds} without time zone"),
        ("timetz", _) => format!("time{seconds} with time zone"),
        ("timestamp", _) => format!("timestamp{seconds} without time zone"),
        ("timestamptz", _) => format!("timestamp{seconds} with time zone"),
        ("varbit", _) => with_length("bit varying", modifier),
        ("bit" | "vector" | "halfvec" | "sparsevec", _) => with_length(name, modifier),
        (name, _) => name.to_string(),
    }
}

/// `vector(3)`, or `vector`.
fn with_length(name: &str, modifier: Option<i32>) -> String {
    modifier.map_or_else(|| name.to_string(), |length| format!("{name}({length})"))
}

/// The type that SQL text names, as `to_regtype` reads it: any spelling, a schema, a modifier, `[]`.
pub fn parse_type_name(text: &str) -> Option<PgType> {
    let text = text.trim();
    if let Some(item) = text.strip_suffix("[]") {
        return parse_type_name(item).map(|item| PgType { array: true, ..item });
    }
    if let Some(quoted) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        return PgType::named(quoted);
    }
    let lower = text.to_lowercase();
    let bare = lower.strip_prefix("pg_catalog.").or_else(|| lower.strip_prefix("public.")).unwrap_or(&lower);
    if bare == "\"char\"" {
        return PgType::named("char");
    }
    PgType::named(match strip_modifier(bare).as_str() {
        "boolean" => "bool",
        "smallint" => "int2",
        "int" | "integer" => "int4",
        "bigint" => "int8",
        "real" => "float4",
        "float" | "double precision" => "float8",
        "decimal" => "numeric",
        "char" | "character" => "bpchar",
        "character varying" => "varchar",
        "time without time zone" => "time",
        "time with time zone" => "timetz",
        "timestamp without time zone" => "timestamp",
        "timestamp with time zone" => "timestamptz",
        "bit varying" => "varbit",
        other => return PgType::named(other),
    })
}

/// `varchar(10)` without `(10)`, `timestamp(3) with time zone` without `(3)`.
fn strip_modifier(name: &str) -> String {
    match (name.find('('), name.find(')')) {
        (Some(open), Some(close)) if open < close => {
            format!("{}{}", name[..open].trim_end(), name[close + 1..].trim_end())
        }
        _ => name.to_string(),
    }
}

/// A type that is known to be in the table.
fn by_oid(oid: u32) -> &'static ScalarType {
    TYPES.iter().find(|scalar| scalar.oid == oid).expect("every SQL type is in the table of types")
}

/// The items of nested arrays: Postgres has one array type whatever the number of dimensions.
fn innermost(sql_type: &SqlType) -> &SqlType {
    match sql_type {
        SqlType::Array(item) => innermost(item),
        other => other,
    }
}

fn scalar_oid(sql_type: &SqlType) -> u32 {
    match sql_type {
        SqlType::Boolean => 16,
        SqlType::SmallInt => 21,
        SqlType::Integer => 23,
        SqlType::BigInt => 20,
        SqlType::Real => 700,
        SqlType::Double => 701,
        SqlType::Numeric { .. } => 1700,
        SqlType::Text => 25,
        SqlType::Varchar(_) => 1043,
        SqlType::Bytea => 17,
        SqlType::Uuid => 2950,
        SqlType::Date => 1082,
        SqlType::Time => 1083,
        SqlType::Timestamp => 1114,
        SqlType::TimestampTz => 1184,
        SqlType::Interval => 1186,
        SqlType::Json => 114,
        SqlType::Jsonb => 3802,
        SqlType::TsVector => 3614,
        SqlType::TsQuery => 3615,
        SqlType::Vector(_) => VECTOR,
        SqlType::Halfvec(_) => HALFVEC,
        SqlType::Sparsevec(_) => SPARSEVEC,
        SqlType::Bit(_) => 1560,
        SqlType::Varbit(_) => 1562,
        SqlType::Array(item) => scalar_oid(innermost(item)),
    }
}

/// How a metadata column of that type is kept: what is an object id in Postgres is a bigint, what has no type of its own
/// here is text.
fn scalar_sql_type(name: &str) -> SqlType {
    match name {
        "bool" => SqlType::Boolean,
        "int2" => SqlType::SmallInt,
        "int4" => SqlType::Integer,
        "int8" | "oid" | "xid" | "cid" | "xid8" | "regproc" | "regprocedure" | "regoper" | "regclass" | "regtype"
        | "regconfig" | "regnamespace" | "regrole" => SqlType::BigInt,
        "int2vector" => SqlType::Array(Box::new(SqlType::SmallInt)),
        "oidvector" => SqlType::Array(Box::new(SqlType::BigInt)),
        "float4" => SqlType::Real,
        "float8" => SqlType::Double,
        "numeric" => SqlType::Numeric { precision: DEFAULT_NUMERIC.0, scale: DEFAULT_NUMERIC.1 },
        "bytea" => SqlType::Bytea,
        "uuid" => SqlType::Uuid,
        "date" => SqlType::Date,
        "time" => SqlType::Time,
        "timestamp" => SqlType::Timestamp,
        "timestamptz" => SqlType::TimestampTz,
        "interval" => SqlType::Interval,
        "json" => SqlType::Json,
        "jsonb" => SqlType::Jsonb,
        "tsvector" => SqlType::TsVector,
        "tsquery" => SqlType::TsQuery,
        // Of any dimension or length.
        "vector" => SqlType::Vector(0),
        "halfvec" => SqlType::Halfvec(0),
        "sparsevec" => SqlType::Sparsevec(0),
        "bit" => SqlType::Bit(0),
        "varbit" => SqlType::Varbit(0),
        _ => SqlType::Text,
    }
}

/// Whether a plan's column still holds what its metadata says: integers of some width, text in some layout, lists.
fn same_family(declared: &DataType, found: &DataType) -> bool {
    declared == found
        || matches!((declared, found), (DataType::List(_), DataType::List(_)))
        || (declared == &DataType::Utf8 && matches!(found, DataType::Utf8View | DataType::LargeUtf8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_found_by_every_name() {
        for (name, oid) in [
            ("int4", 23),
            ("INTEGER", 23),
            ("pg_catalog.int8", 20),
            ("character varying(10)", 1043),
            ("timestamp(3) with time zone", 1184),
            ("text[]", 1009),
            ("_text", 1009),
            ("\"char\"", 18),
            ("char", 1042),
            ("vector(3)", VECTOR),
            ("public.vector[]", VECTOR_ARRAY),
        ] {
            assert_eq!(parse_type_name(name).map(|pg_type| pg_type.oid()), Some(oid), "{name}");
        }
        assert_eq!(parse_type_name("nothing"), None);
    }

    #[test]
    fn a_type_is_written_with_its_modifier() {
        for sql_type in [
            SqlType::Varchar(9),
            SqlType::Numeric { precision: 12, scale: 3 },
            SqlType::Numeric { precision: 5, scale: -2 },
            SqlType::Vector(768),
            SqlType::Vector(0),
            SqlType::Halfvec(3),
            SqlType::Sparsevec(100_000),
            SqlType::Bit(8),
            SqlType::Varbit(5),
            SqlType::Array(Box::new(SqlType::Text)),
            SqlType::TimestampTz,
        ] {
            assert_eq!(format_type(type_oid(&sql_type), Some(type_modifier(&sql_type))), sql_type.to_string());
        }
        assert_eq!(format_type(1043, None), "character varying");
        assert_eq!(format_type(1114, Some(3)), "timestamp(3) without time zone");
        assert_eq!(format_type(1, None), "???");
    }

    #[test]
    fn object_ids_are_unique() {
        let mut seen = std::collections::HashSet::new();
        for scalar in TYPES {
            assert!(seen.insert(scalar.oid), "{} twice", scalar.name);
            assert!(scalar.array == 0 || seen.insert(scalar.array), "{}[] twice", scalar.name);
        }
    }
}
