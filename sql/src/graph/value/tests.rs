//! What openCypher says of values.

use slipstream_engine::ErrorKind;
use slipstream_graph_language::function::Function;
use slipstream_graph_language::syntax::{Arithmetic, Comparison, Quantifier};

use super::json::{Form, decode, encode};
use super::program::{Context, Program};
use super::{Dynamic, Node, order};

fn value(json: &str) -> Dynamic {
    decode(json).unwrap()
}

fn constant(json: &str) -> Program {
    Program::Constant(value(json))
}

fn computed(program: &Program) -> slipstream_engine::Result<Dynamic> {
    program.value(&mut Context::new(0))
}

fn called(function: Function, arguments: &[&str]) -> slipstream_engine::Result<Dynamic> {
    computed(&Program::Call(function, arguments.iter().map(|json| constant(json)).collect()))
}

fn node(id: i64) -> Dynamic {
    let properties = [("name".to_string(), Dynamic::from("Ann"))].into_iter().collect();
    let (table, labels) = ("person".to_string(), vec!["person".to_string()]);
    Dynamic::Node(Box::new(Node { table, id: Dynamic::Integer(id), labels, properties }))
}

#[test]
fn values_are_the_same_after_being_text() {
    let texts = [
        "null",
        "true",
        "1",
        "1.0",
        "-0.5",
        "\"a\\\"b\\u0001\"",
        "[1, [2, \"x\"], {\"a\": null}]",
        "{\"b\": 1, \"aa\": [2.5]}",
    ];
    for text in texts {
        assert_eq!(encode(&value(text), Form::Internal), text);
        assert_eq!(encode(&value(text), Form::Client), text);
    }
    let marked = [
        Dynamic::Float(f64::INFINITY),
        Dynamic::Date(19_782),
        Dynamic::Time(3_600_000_000),
        Dynamic::Timestamp(1_709_000_000_000_001),
        Dynamic::TimestampTz(1_709_000_000_000_000),
        node(7),
        Dynamic::Path(vec![node(1)]),
    ];
    for value in marked {
        assert_eq!(decode(&encode(&value, Form::Internal)).unwrap(), value);
        assert!(!encode(&value, Form::Client).contains("\\u0000"));
    }
    let client = "{\"id\": 7, \"labels\": [\"person\"], \"properties\": {\"name\": \"Ann\"}}";
    assert_eq!(encode(&node(7), Form::Client), client);
}

#[test]
fn equality_has_three_answers() {
    let cases = [
        ("1", "1.0", Some(true)),
        ("1", "\"1\"", Some(false)),
        ("null", "null", None),
        ("[1, 2]", "[1, 2]", Some(true)),
        ("[1, null]", "[1, 2]", None),
        ("[1, null]", "[2, null]", Some(false)),
        ("[1]", "[1, null]", Some(false)),
        ("{\"a\": 1}", "{\"a\": 1.0}", Some(true)),
        ("{\"a\": null}", "{\"a\": null}", None),
        ("{\"a\": null}", "{\"b\": null}", Some(false)),
        ("9007199254740993", "9007199254740992.0", Some(false)),
    ];
    for (left, right, equal) in cases {
        assert_eq!(order::equal(&value(left), &value(right)), equal, "{left} = {right}");
    }
}

#[test]
fn values_of_all_types_have_one_order() {
    let ordered = [
        value("{\"a\": 1}"),
        node(1),
        node(2),
        value("[]"),
        value("[1]"),
        value("[1, 0]"),
        value("[2]"),
        value("\"\""),
        value("\"a\""),
        value("\"a\\u0001\""),
        value("\"ab\""),
        value("false"),
        value("true"),
        Dynamic::Float(f64::NEG_INFINITY),
        value("-2"),
        value("-1.5"),
        value("0"),
        value("9007199254740992"),
        value("9007199254740993"),
        Dynamic::Float(f64::NAN),
        value("null"),
    ];
    for (at, one) in ordered.iter().enumerate() {
        for (other_at, other) in ordered.iter().enumerate() {
            assert_eq!(order::key(one).cmp(&order::key(other)), at.cmp(&other_at), "{one:?} and {other:?}");
        }
    }
    assert!(order::same(&value("1"), &value("1.0")));
    assert!(order::same(&Dynamic::Float(-0.0), &Dynamic::Float(0.0)));
    assert!(order::same(&value("[null]"), &value("[null]")));
}

#[test]
fn comparisons_of_what_does_not_compare_are_unknown() {
    let less = |left: &str, right: &str| {
        let (left, right) = (Box::new(constant(left)), Box::new(constant(right)));
        computed(&Program::Compare(Comparison::Less, left, right)).unwrap()
    };
    assert_eq!(less("1", "2.5"), Dynamic::Boolean(true));
    assert_eq!(less("1", "\"a\""), Dynamic::Null);
    assert_eq!(less("[1, 2]", "[1, 3]"), Dynamic::Boolean(true));
    assert_eq!(less("[1]", "[1, 3]"), Dynamic::Boolean(true));
    assert_eq!(less("[1, null]", "[1, 3]"), Dynamic::Null);
    assert_eq!(less("{}", "{\"a\": 1}"), Dynamic::Null);
}

#[test]
fn arithmetic_is_checked() {
    let compute = |operator, left: &str, right: &str| {
        computed(&Program::Arithmetic(operator, Box::new(constant(left)), Box::new(constant(right))))
    };
    assert_eq!(compute(Arithmetic::Add, "1", "2").unwrap(), value("3"));
    assert_eq!(compute(Arithmetic::Divide, "7", "2").unwrap(), value("3"));
    assert_eq!(compute(Arithmetic::Add, "\"a\"", "1").unwrap(), value("\"a1\""));
    assert_eq!(compute(Arithmetic::Add, "[1]", "2").unwrap(), value("[1, 2]"));
    assert_eq!(compute(Arithmetic::Add, "[1]", "[2]").unwrap(), value("[1, 2]"));
    assert_eq!(compute(Arithmetic::Add, "1", "null").unwrap(), Dynamic::Null);
    let failure = |operator, left, right| compute(operator, left, right).unwrap_err().kind();
    assert_eq!(failure(Arithmetic::Add, "9223372036854775807", "1"), ErrorKind::NumericOutOfRange);
    assert_eq!(failure(Arithmetic::Divide, "1", "0"), ErrorKind::DivisionByZero);
    assert_eq!(failure(Arithmetic::Add, "true", "1"), ErrorKind::DatatypeMismatch);
}

#[test]
fn quantifiers_know_that_they_do_not_know() {
    let quantified = |quantifier, list: &str| {
        let condition = Box::new(Program::Local(0));
        let program = Program::Quantified { quantifier, slot: 0, list: Box::new(constant(list)), condition };
        computed(&program).unwrap()
    };
    let [yes, no] = [Dynamic::Boolean(true), Dynamic::Boolean(false)];
    for (list, all, any, none, single) in [
        ("[]", &yes, &no, &yes, &no),
        ("[true]", &yes, &yes, &no, &yes),
        ("[true, true]", &yes, &yes, &no, &no),
        ("[true, null]", &Dynamic::Null, &yes, &no, &Dynamic::Null),
        ("[false, null]", &no, &Dynamic::Null, &Dynamic::Null, &Dynamic::Null),
        ("[false]", &no, &no, &yes, &no),
    ] {
        assert_eq!(&quantified(Quantifier::All, list), all, "all of {list}");
        assert_eq!(&quantified(Quantifier::Any, list), any, "any of {list}");
        assert_eq!(&quantified(Quantifier::None, list), none, "none of {list}");
        assert_eq!(&quantified(Quantifier::Single, list), single, "single of {list}");
    }
}

#[test]
fn functions_of_lists_and_strings() {
    for (function, arguments, result) in [
        (Function::Range, &["1", "3"][..], "[1, 2, 3]"),
        (Function::Range, &["3", "1", "-2"], "[3, 1]"),
        (Function::Range, &["3", "1"], "[]"),
        (Function::Head, &["[1, 2]"], "1"),
        (Function::Last, &["[]"], "null"),
        (Function::Tail, &["[1, 2]"], "[2]"),
        (Function::Size, &["\"añb\""], "3"),
        (Function::Reverse, &["\"ab\""], "\"ba\""),
        (Function::Split, &["\"a,b,\"", "\",\""], "[\"a\", \"b\", \"\"]"),
        (Function::Substring, &["\"hello\"", "1", "3"], "\"ell\""),
        (Function::Left, &["\"hello\"", "10"], "\"hello\""),
        (Function::Right, &["\"hello\"", "2"], "\"lo\""),
        (Function::Replace, &["\"hello\"", "\"l\"", "\"w\""], "\"hewwo\""),
        (Function::ToInteger, &["\"2.9\""], "2"),
        (Function::ToInteger, &["\"x\""], "null"),
        (Function::ToFloat, &["\"1e2\""], "100.0"),
        (Function::ToBoolean, &["\"TRUE\""], "true"),
        (Function::ToString, &["1.0"], "\"1.0\""),
        (Function::ToIntegerOrNull, &["[]"], "null"),
        (Function::Round, &["-1.5"], "-1.0"),
        (Function::Sign, &["-0.5"], "-1"),
        (Function::Keys, &["{\"b\": 1, \"a\": null}"], "[\"a\", \"b\"]"),
        (Function::Coalesce, &["null", "2"], "2"),
        (Function::NullIf, &["1", "1.0"], "null"),
    ] {
        assert_eq!(called(function, arguments).unwrap(), value(result), "{function:?} of {arguments:?}");
    }
    assert_eq!(called(Function::ToUpper, &["1"]).unwrap_err().kind(), ErrorKind::DatatypeMismatch);
    assert_eq!(called(Function::Range, &["1", "3", "0"]).unwrap_err().kind(), ErrorKind::InvalidParameter);
}

#[test]
fn dates_and_times_come_from_text_and_maps() {
    let text = |function, argument: &str| called(function, &[argument]).map(|value| value.text());
    for (function, argument, result) in [
        (Function::Date, "\"2015-07-21\"", "2015-07-21"),
        (Function::Date, "\"20150721\"", "2015-07-21"),
        (Function::Date, "\"2015-W30-2\"", "2015-07-21"),
        (Function::Date, "\"2015-202\"", "2015-07-21"),
        (Function::Date, "{\"year\": 1984, \"week\": 10, \"dayOfWeek\": 3}", "1984-03-07"),
        (Function::Date, "{\"year\": 1984, \"quarter\": 3, \"dayOfQuarter\": 45}", "1984-08-14"),
        (Function::LocalTime, "\"21:40:32.142\"", "21:40:32.142"),
        (Function::LocalTime, "{\"hour\": 12, \"minute\": 31}", "12:31:00"),
        (Function::LocalDateTime, "\"2015-07-21T21:40:32\"", "2015-07-21 21:40:32"),
        (Function::DateTime, "\"2015-07-21T21:40:32+01:00\"", "2015-07-21 20:40:32+00"),
        (Function::DateTime, "{\"year\": 1984, \"timezone\": \"Europe/Stockholm\"}", "1983-12-31 23:00:00+00"),
        (Function::Duration, "\"P1Y2M3DT4H5M6.5S\"", "1 year 2 mons 3 days 04:05:06.5"),
        (Function::Duration, "{\"days\": 1.5, \"hours\": 2}", "1 day 14:00:00"),
    ] {
        assert_eq!(text(function, argument).unwrap(), result, "{function:?} of {argument}");
    }
    assert_eq!(text(Function::Date, "\"2015-02-30\"").unwrap_err().kind(), ErrorKind::InvalidDatetime);
    assert_eq!(text(Function::Date, "{\"month\": 1}").unwrap_err().kind(), ErrorKind::InvalidParameter);
}

#[test]
fn dates_move_by_durations() {
    let date = called(Function::Date, &["\"2024-01-31\""]).unwrap();
    let month = called(Function::Duration, &["\"P1MT25H\""]).unwrap();
    let moved = |operator, one: &Dynamic, other: &Dynamic| {
        let (one, other) = (Program::Constant(one.clone()), Program::Constant(other.clone()));
        computed(&Program::Arithmetic(operator, Box::new(one), Box::new(other))).unwrap().text()
    };
    assert_eq!(moved(Arithmetic::Add, &date, &month), "2024-03-01");
    assert_eq!(moved(Arithmetic::Subtract, &date, &month), "2023-12-30");
    assert_eq!(moved(Arithmetic::Multiply, &month, &value("2")), "2 mons 50:00:00");
    let part = |value: &Dynamic, name: &str| super::list::access(value, &Dynamic::from(name)).unwrap();
    assert_eq!(part(&date, "ordinalDay"), value("31"));
    assert_eq!(part(&month, "hours"), value("25"));
    assert!(super::list::access(&date, &Dynamic::from("hour")).is_err());
}
