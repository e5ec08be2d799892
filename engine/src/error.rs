//! The one error type of the workspace.
//!
//! An error is classified where it is raised, by an [`ErrorKind`] that says what a client can do about it. The wire maps
//! kinds to SQLSTATE in one table. Message text follows Postgres: lower case, no full stop; detail and hint are sentences.

use std::fmt;

/// What went wrong, as a client needs to know it. One kind is one SQLSTATE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The statement's text cannot be parsed (`42601`).
    Syntax,
    /// Understood, and not done here (`0A000`).
    NotSupported,
    /// No such table, view, graph or label (`42P01`).
    UndefinedTable,
    /// No such column, property or variable (`42703`).
    UndefinedColumn,
    /// No such function or operator for these types (`42883`).
    UndefinedFunction,
    /// No such type, parameter setting, or other object (`42704`).
    UndefinedObject,
    /// No such schema (`3F000`).
    UndefinedSchema,
    /// A parameter `$n` whose number or type is unknown (`42P02`).
    UndefinedParameter,
    /// A table or view of that name exists (`42P07`).
    DuplicateTable,
    /// A schema of that name exists (`42P06`).
    DuplicateSchema,
    /// A column is named twice (`42701`).
    DuplicateColumn,
    /// An object (graph, schema, ...) of that name exists (`42710`).
    DuplicateObject,
    /// Two tables of a FROM have one name (`42712`).
    DuplicateAlias,
    /// A name that could mean several columns (`42702`).
    AmbiguousColumn,
    /// A call or an operator that several functions fit equally well (`42725`).
    AmbiguousFunction,
    /// Columns that are not what a clause needs: no unique constraint is over them (`42P10`).
    InvalidColumnReference,
    /// A column must be grouped or aggregated (`42803`).
    Grouping,
    /// Types do not fit (`42804`).
    DatatypeMismatch,
    /// A table definition that makes no sense (`42P16`).
    InvalidTableDefinition,
    /// A definition of something else that makes no sense, such as an index of what differs each time (`42P17`).
    InvalidObjectDefinition,
    /// A name that is kept for the system (`42939`).
    ReservedName,
    /// The object is of the wrong kind for this statement (`42809`).
    WrongObjectType,
    /// Others depend on the object (`2BP01`).
    DependentObjects,
    /// A duplicate key (`23505`).
    UniqueViolation,
    /// NULL in a NOT NULL column (`23502`).
    NotNullViolation,
    /// An edge without its end point, or a vertex that has edges (`23503`).
    ForeignKeyViolation,
    /// A CHECK constraint does not hold (`23514`).
    CheckViolation,
    /// A number out of its type's range (`22003`).
    NumericOutOfRange,
    /// Division by zero (`22012`).
    DivisionByZero,
    /// NULL where a value is needed (`22004`).
    NullNotAllowed,
    /// A root or power that is no real number (`2201F`).
    InvalidPower,
    /// The logarithm of a number that is not above zero (`2201E`).
    InvalidLogarithm,
    /// Text that does not read as a value of its type (`22P02`).
    InvalidText,
    /// A date or time that does not exist (`22007`).
    InvalidDatetime,
    /// A date or time out of range (`22008`).
    DatetimeOverflow,
    /// A string longer than its `varchar(n)` (`22001`).
    StringTooLong,
    /// A bit string that is not as long as it has to be (`22026`).
    StringLengthMismatch,
    /// Bytes that are not valid in their encoding (`22021`).
    InvalidEncoding,
    /// Other bad data, a vector of the wrong dimension among it (`22000`).
    DataException,
    /// A parameter or setting whose value is not allowed (`22023`).
    InvalidParameter,
    /// A binary value that cannot be decoded (`22P03`).
    InvalidBinary,
    /// A broken line in COPY (`22P04`).
    BadCopyFormat,
    /// An array of the wrong shape (`2202E`).
    ArraySubscript,
    /// LIMIT below zero (`2201W`).
    InvalidLimit,
    /// OFFSET below zero (`2201X`).
    InvalidOffset,
    /// A scalar subquery gave more than one row (`21000`).
    Cardinality,
    /// Somebody else changed the same rows first (`40001`).
    SerializationFailure,
    /// A statement in a failed transaction (`25P02`).
    FailedTransaction,
    /// A transaction statement where none is open (`25P01`).
    NoActiveTransaction,
    /// A transaction statement inside an open one (`25001`).
    ActiveTransaction,
    /// A session that idled too long in a transaction block (`25P03`).
    IdleInTransaction,
    /// A session that idled too long outside of one (`57P05`).
    IdleSession,
    /// A write where only reads are allowed (`25006`).
    ReadOnly,
    /// No such savepoint (`3B001`).
    UndefinedSavepoint,
    /// A value given to a column that is GENERATED ALWAYS (`428C9`).
    GeneratedAlways,
    /// A sequence has no next value (`2200H`).
    SequenceLimit,
    /// The object is not in a state for this, such as a sequence that has given no value yet (`55000`).
    ObjectState,
    /// A column or constraint that something else refers to in a way that does not fit (`42830`).
    InvalidForeignKey,
    /// A cursor of that name exists (`42P03`).
    DuplicateCursor,
    /// The user may not do this (`42501`).
    InsufficientPrivilege,
    /// The user or its address is refused (`28000`).
    InvalidAuthorization,
    /// No such database (`3D000`).
    UndefinedDatabase,
    /// No such prepared statement (`26000`).
    UndefinedStatement,
    /// A prepared statement of that name exists (`42P05`).
    DuplicateStatement,
    /// No such portal or cursor (`34000`).
    UndefinedCursor,
    /// The client broke the protocol (`08P01`).
    ProtocolViolation,
    /// Cancelled by the user or a timeout (`57014`).
    Cancelled,
    /// The server is shutting down (`57P01`).
    ShuttingDown,
    /// The server cannot take this connection or statement at this moment (`57P03`).
    CannotConnectNow,
    /// Too many connections (`53300`).
    TooManyConnections,
    /// A query needs more memory than it may have (`53200`).
    OutOfMemory,
    /// The disk is full (`53100`).
    DiskFull,
    /// More than a setting of the server allows, such as the size of its temporary files (`53400`).
    ConfigurationLimit,
    /// A statement or pattern is too complex (`54001`).
    TooComplex,
    /// A value has more parts than its type allows, such as the dimensions of a vector (`54000`).
    ProgramLimit,
    /// Another service that a statement needs does not answer, or not as it should (`58000`).
    ExternalService,
    /// Another process holds this database, or has taken it over (`55006`).
    Locked,
    /// A stored file or record is damaged, missing, or of a newer format (`58030`).
    Storage,
    /// A table was changed by somebody else than this database (`55000`).
    ForeignChange,
    /// A bug of ours (`XX000`).
    Internal,
}

/// An error with everything that the wire can tell a client about it.
#[derive(Debug, Clone)]
pub struct Error(Box<Report>);

#[derive(Debug, Clone)]
struct Report {
    kind: ErrorKind,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    context: Option<String>,
    position: Option<usize>,
    row: Option<usize>,
    subject: Subject,
}

/// The object an error is about; the wire sends its fields apart from the message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// Table name.
    pub table: Option<String>,
    /// Column name.
    pub column: Option<String>,
    /// Constraint name.
    pub constraint: Option<String>,
}

/// The result type of the workspace.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind` with Postgres-style message text.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error(Box::new(Report {
            kind,
            message: message.into(),
            detail: None,
            hint: None,
            context: None,
            position: None,
            row: None,
            subject: Subject::default(),
        }))
    }

    /// A bug of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// Something understood and not done here (`0A000`).
    pub fn not_supported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotSupported, message)
    }

    /// A stored file or record that cannot be read or written.
    pub fn storage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Storage, message)
    }

    /// Adds the detail sentence.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds the hint sentence.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Says where in the work it happened, such as the line of a COPY.
    #[must_use]
    pub fn with_context(mut self, context: impl Into<String>) -> Self {
        self.0.context = Some(context.into());
        self
    }

    /// Points at a character of the statement's text, counted from 1.
    #[must_use]
    pub fn at(mut self, position: usize) -> Self {
        self.0.position = Some(position);
        self
    }

    /// Says which of the rows that a statement adds is meant, counted from 0.
    #[must_use]
    pub fn on_row(mut self, row: usize) -> Self {
        self.0.row = Some(row);
        self
    }

    /// The same, where so many rows come before those that the row was counted in.
    #[must_use]
    pub fn after_rows(mut self, rows: usize) -> Self {
        self.0.row = self.0.row.map(|row| row + rows);
        self
    }

    /// Names the table the error is about.
    #[must_use]
    pub fn on_table(mut self, table: impl Into<String>) -> Self {
        self.0.subject.table = Some(table.into());
        self
    }

    /// Names the column the error is about.
    #[must_use]
    pub fn on_column(mut self, column: impl Into<String>) -> Self {
        self.0.subject.column = Some(column.into());
        self
    }

    /// Names the constraint the error is about.
    #[must_use]
    pub fn on_constraint(mut self, constraint: impl Into<String>) -> Self {
        self.0.subject.constraint = Some(constraint.into());
        self
    }

    /// What went wrong, as a class.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message: one line, lower case, no full stop.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The detail sentence.
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// The hint sentence.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Where in the work it happened.
    pub fn context(&self) -> Option<&str> {
        self.0.context.as_deref()
    }

    /// The character of the statement's text that the error points at, counted from 1.
    pub fn position(&self) -> Option<usize> {
        self.0.position
    }

    /// Which of the rows that a statement adds the error is about, counted from 0.
    pub fn row(&self) -> Option<usize> {
        self.0.row
    }

    /// The object the error is about.
    pub fn subject(&self) -> &Subject {
        &self.0.subject
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some(detail) = &self.0.detail {
            write!(f, " ({detail})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<Error> for datafusion::error::DataFusionError {
    fn from(error: Error) -> Self {
        datafusion::error::DataFusionError::External(Box::new(error))
    }
}
