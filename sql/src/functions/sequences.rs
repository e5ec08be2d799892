//! `nextval`, `currval`, `lastval` and `setval`.
//!
//! They are made for a catalog and a session, as the metadata functions are. None of them is ever folded: each call draws, for
//! each row.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use parking_lot::Mutex;
use slipstream_catalog::pg_catalog::objects::split_name;
use slipstream_catalog::pg_catalog::session_info::SessionInfo;
use slipstream_catalog::search_path::SearchPath;
use slipstream_engine::catalog::{Catalog, Relation, SequenceDefinition, SequenceId};
use slipstream_engine::types::{SqlType, field_ref};
use slipstream_engine::{Database, Error, ErrorKind, Result};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::time_travel;

/// What a session has been given.
#[derive(Debug, Default)]
pub(crate) struct Given(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    values: HashMap<SequenceId, i64>,
    last: Option<SequenceId>,
}

impl Given {
    fn note(&self, sequence: SequenceId, value: i64) {
        let mut state = self.0.lock();
        state.values.insert(sequence, value);
        state.last = Some(sequence);
    }

    /// Forgets everything, as DISCARD SEQUENCES does.
    pub(crate) fn clear(&self) {
        *self.0.lock() = State::default();
    }
}

/// What the functions work with.
struct Ground {
    database: Arc<Database>,
    catalog: Arc<Catalog>,
    session: Arc<SessionInfo>,
    given: Arc<Given>,
}

/// The functions over a catalog, for a session.
pub(crate) fn functions(
    database: &Arc<Database>,
    catalog: &Arc<Catalog>,
    session: &Arc<SessionInfo>,
    given: &Arc<Given>,
) -> Vec<Arc<ScalarUDF>> {
    let ground = Arc::new(Ground {
        database: Arc::clone(database),
        catalog: Arc::clone(catalog),
        session: Arc::clone(session),
        given: Arc::clone(given),
    });
    let kinds = [Kind::Next, Kind::Current, Kind::Last, Kind::Set];
    let made = kinds.into_iter().map(|kind| {
        let signature = match kind {
            Kind::Next | Kind::Current => Signature::any(1, Volatility::Volatile),
            Kind::Last => Signature::nullary(Volatility::Volatile),
            Kind::Set => Signature::one_of(
                vec![datafusion::logical_expr::TypeSignature::Any(2), datafusion::logical_expr::TypeSignature::Any(3)],
                Volatility::Volatile,
            ),
        };
        Arc::new(ScalarUDF::from(SequenceFunction { kind, signature, ground: Arc::clone(&ground) }))
    });
    made.collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Next,
    Current,
    Last,
    Set,
}

/// One of the functions.
struct SequenceFunction {
    kind: Kind,
    signature: Signature,
    ground: Arc<Ground>,
}

impl ScalarUDFImpl for SequenceFunction {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Next => "nextval",
            Kind::Current => "currval",
            Kind::Last => "lastval",
            Kind::Set => "setval",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(DataType::Int64)
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> PlanResult<FieldRef> {
        Ok(field_ref(self.name(), &SqlType::BigInt, true))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let arrays = args.args.iter().map(|arg| arg.to_array(args.number_rows)).collect::<PlanResult<Vec<_>>>()?;
        let mut known = HashMap::new();
        let mut values = Vec::with_capacity(args.number_rows);
        for row in 0..args.number_rows {
            values.push(self.value(&arrays, row, &mut known)?);
        }
        Ok(ColumnarValue::Array(Arc::new(Int64Array::from(values))))
    }
}

impl SequenceFunction {
    fn value(
        &self,
        arguments: &[ArrayRef],
        row: usize,
        known: &mut HashMap<Name, Arc<SequenceDefinition>>,
    ) -> Result<Option<i64>> {
        if self.kind == Kind::Last {
            return self.ground.last().map(Some);
        }
        if arguments.iter().any(|argument| argument.is_null(row)) {
            return Ok(None);
        }
        let name = Name::of(&arguments[0], row)?;
        let sequence = match known.get(&name) {
            Some(sequence) => Arc::clone(sequence),
            None => {
                let sequence = self.ground.sequence(&name)?;
                known.insert(name, Arc::clone(&sequence));
                sequence
            }
        };
        match self.kind {
            Kind::Next => self.ground.next(&sequence).map(Some),
            Kind::Current => self.ground.current(&sequence).map(Some),
            Kind::Set => {
                let value = integer(&arguments[1], row)?;
                let called = arguments.get(2).is_none_or(|called| called.as_boolean_opt().is_none_or(|c| c.value(row)));
                self.ground.set(&sequence, value, called).map(Some)
            }
            Kind::Last => Err(Error::internal("lastval names no sequence")),
        }
    }
}

impl Ground {
    fn sequence(&self, name: &Name) -> Result<Arc<SequenceDefinition>> {
        let (relation, shown) = match name {
            Name::Oid(oid) => {
                let relation = u32::try_from(*oid).ok().and_then(|oid| self.catalog.relation_with_oid(oid));
                (relation, oid.to_string())
            }
            Name::Text(text) => (self.named(text), text.clone()),
        };
        match relation {
            Some(Relation::Sequence(sequence)) => Ok(sequence),
            Some(_) => Err(Error::new(ErrorKind::WrongObjectType, format!("\"{shown}\" is not a sequence"))),
            None => Err(Error::new(ErrorKind::UndefinedTable, format!("relation \"{shown}\" does not exist"))),
        }
    }

    fn named(&self, text: &str) -> Option<Relation> {
        let mut parts = split_name(text)?;
        let name = parts.pop()?;
        match parts.pop() {
            Some(schema) => self.catalog.get_relation(&schema, &name),
            None => {
                let path = SearchPath::of_session(&self.session);
                path.schemas().iter().find_map(|schema| self.catalog.get_relation(schema, &name))
            }
        }
    }

    fn next(&self, sequence: &Arc<SequenceDefinition>) -> Result<i64> {
        self.check_writable("nextval()")?;
        let (database, sequence) = (Arc::clone(&self.database), Arc::clone(sequence));
        let id = sequence.id;
        let value = wait(async move { database.next_value(&sequence).await })?;
        self.given.note(id, value);
        Ok(value)
    }

    fn set(&self, sequence: &Arc<SequenceDefinition>, value: i64, called: bool) -> Result<i64> {
        self.check_writable("setval()")?;
        let (database, sequence) = (Arc::clone(&self.database), Arc::clone(sequence));
        let id = sequence.id;
        wait(async move { database.set_value(&sequence, value, called).await })?;
        if called {
            self.given.0.lock().values.insert(id, value);
        }
        Ok(value)
    }

    fn current(&self, sequence: &SequenceDefinition) -> Result<i64> {
        self.given.0.lock().values.get(&sequence.id).copied().ok_or_else(|| {
            let message = format!("currval of sequence \"{}\" is not yet defined in this session", sequence.name);
            Error::new(ErrorKind::ObjectState, message)
        })
    }

    fn last(&self) -> Result<i64> {
        let state = self.given.0.lock();
        let last = state.last.filter(|last| self.catalog.sequences.contains_key(last));
        last.and_then(|last| state.values.get(&last).copied())
            .ok_or_else(|| Error::new(ErrorKind::ObjectState, "lastval is not yet defined in this session"))
    }

    fn check_writable(&self, what: &str) -> Result<()> {
        let setting = |name: &str| self.session.settings.get(name).unwrap_or_default();
        if setting("transaction_read_only") == "on" || !setting(time_travel::SETTING).is_empty() {
            let message = format!("cannot execute {what} in a read-only transaction");
            return Err(Error::new(ErrorKind::ReadOnly, message));
        }
        Ok(())
    }
}

/// How a call names its sequence.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Name {
    Text(String),
    Oid(i64),
}

impl Name {
    fn of(array: &ArrayRef, row: usize) -> Result<Self> {
        if array.data_type().is_integer() {
            return integer(array, row).map(Name::Oid);
        }
        let text = cast(array, &DataType::Utf8).map_err(crate::error::from_arrow)?;
        Ok(Name::Text(text.as_string::<i32>().value(row).to_string()))
    }
}

fn integer(array: &ArrayRef, row: usize) -> Result<i64> {
    let integers = cast(array, &DataType::Int64).map_err(crate::error::from_arrow)?;
    Ok(integers.as_primitive::<Int64Type>().value(row))
}

/// Waits for the engine, which may have to write a record. Expressions are evaluated on threads of the runtime.
fn wait<T: Send + 'static>(task: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let handle = Handle::try_current().map_err(|_| Error::internal("a sequence was used outside of the runtime"))?;
    match handle.runtime_flavor() {
        RuntimeFlavor::CurrentThread => {
            let waiting = std::thread::spawn(move || handle.block_on(task));
            waiting.join().map_err(|_| Error::internal("a sequence could not be read"))?
        }
        _ => tokio::task::block_in_place(|| handle.block_on(task)),
    }
}

impl fmt::Debug for SequenceFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SequenceFunction").field(&self.kind).finish()
    }
}

impl PartialEq for SequenceFunction {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && Arc::ptr_eq(&self.ground, &other.ground)
    }
}

impl Eq for SequenceFunction {}

impl Hash for SequenceFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind.hash(state);
    }
}
