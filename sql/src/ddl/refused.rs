//! Statements that Postgres has and this database does not, named plainly.

use datafusion::sql::sqlparser::ast::Statement;
use slipstream_engine::{Error, ErrorKind};

/// The error for a statement that nothing else takes.
pub(crate) fn refused(statement: &Statement) -> Error {
    let what = match statement {
        Statement::CreateDatabase { .. } => "databases other than postgres are",
        Statement::CreateRole(_) | Statement::AlterRole { .. } | Statement::CreateUser(_) | Statement::AlterUser(_) => {
            "roles other than postgres are"
        }
        Statement::Grant(_) | Statement::Revoke(_) | Statement::Deny(_) => "GRANT and REVOKE are",
        Statement::CreateFunction(_) | Statement::CreateProcedure { .. } | Statement::DropFunction(_) => {
            "functions of your own are"
        }
        Statement::CreateTrigger(_) | Statement::DropTrigger(_) => "triggers are",
        Statement::CreateType { .. } | Statement::CreateDomain(_) | Statement::AlterType(_) => "types of your own are",
        Statement::CreatePolicy(_) | Statement::AlterPolicy(_) | Statement::DropPolicy { .. } => "row security is",
        Statement::Truncate(_) => "TRUNCATE is",
        Statement::Merge(_) => "MERGE is",
        Statement::Comment { .. } => "COMMENT is",
        Statement::Declare { .. } | Statement::Fetch { .. } | Statement::Close { .. } => "cursors in SQL are",
        Statement::LISTEN { .. } | Statement::UNLISTEN { .. } | Statement::NOTIFY { .. } => "LISTEN and NOTIFY are",
        Statement::Prepare { .. } | Statement::Execute { .. } => "PREPARE and EXECUTE in SQL are",
        Statement::Savepoint { .. } | Statement::ReleaseSavepoint { .. } => "savepoints are",
        Statement::Lock(_) | Statement::LockTables { .. } => "LOCK is",
        Statement::Call(_) => "CALL is",
        Statement::Install { .. }
        | Statement::Load { .. }
        | Statement::LoadData { .. }
        | Statement::CreateSecret { .. } => {
            return Error::new(
                ErrorKind::InsufficientPrivilege,
                "permission denied: the server's files cannot be reached in SQL",
            );
        }
        other => {
            let words: Vec<_> = other.to_string().split_whitespace().take(2).map(str::to_uppercase).collect();
            return Error::not_supported(format!("{} is not supported", words.join(" ")));
        }
    };
    let verb_is_plural = what.ends_with("are");
    let what = what.trim_end_matches(" are").trim_end_matches(" is");
    let verb = if verb_is_plural { "are" } else { "is" };
    Error::not_supported(format!("{what} {verb} not supported yet"))
}
