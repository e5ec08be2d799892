//! SET and its spellings, taken apart.

use datafusion::sql::sqlparser::ast::{
    ContextModifier, Expr, Ident, ObjectName, Reset, ResetStatement, Set, SetSessionAuthorizationParamKind, Statement,
    UnaryOperator, Value,
};
use slipstream_catalog::pg_catalog::definitions::quote_identifier;
use slipstream_engine::{Error, ErrorKind, Result};

use super::Settings;
use crate::dml::normalize;
use crate::words::Words;

/// One assignment of a SET statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SettingCommand {
    /// Name of the setting.
    pub(crate) name: String,
    /// Its value; `None` for DEFAULT.
    pub(crate) value: Option<String>,
    /// Whether it lasts for the transaction only.
    pub(crate) local: bool,
}

/// What a SET statement assigns.
pub(crate) fn set(statement: &Set) -> Result<Vec<SettingCommand>> {
    match statement {
        Set::SingleAssignment { scope, hivevar: false, variable, values } => {
            let name = dotted(variable)?;
            let value = match &values[..] {
                [Expr::Identifier(word)] if is_default(word) => None,
                values if name.eq_ignore_ascii_case("search_path") => {
                    Some(values.iter().map(schema_name).collect::<Result<Vec<_>>>()?.join(", "))
                }
                values => Some(values.iter().map(text).collect::<Result<Vec<_>>>()?.join(", ")),
            };
            Ok(vec![SettingCommand { name, value, local: is_local(scope.as_ref())? }])
        }
        Set::SetTimeZone { local, value } => {
            let value = match value {
                Expr::Identifier(word) if is_default(word) || word.value.eq_ignore_ascii_case("local") => None,
                value => Some(text(value)?),
            };
            Ok(vec![SettingCommand { name: "TimeZone".to_string(), value, local: *local }])
        }
        Set::SetNames { charset_name, collation_name: None } => Ok(vec![SettingCommand {
            name: "client_encoding".to_string(),
            value: Some(charset_name.value.clone()),
            local: false,
        }]),
        // There is one role, and it is everybody's already.
        Set::SetRole { role_name: None, .. } => Ok(Vec::new()),
        Set::SetSessionAuthorization(set) if set.kind == SetSessionAuthorizationParamKind::Default => Ok(Vec::new()),
        Set::SetRole { .. } | Set::SetSessionAuthorization(_) => {
            Err(Error::not_supported("SET ROLE and SET SESSION AUTHORIZATION are not supported yet"))
        }
        _ => Err(Error::not_supported("this form of SET is not supported")),
    }
}

/// Carries out assignments.
pub(crate) fn apply(settings: &Settings, commands: &[SettingCommand]) -> Result<()> {
    for command in commands {
        match &command.value {
            Some(value) => drop(settings.assign(&command.name, value, command.local)?),
            None => settings.reset(&command.name)?,
        }
    }
    Ok(())
}

/// The name that SHOW asks for; `None` for ALL.
pub(crate) fn show_name(words: &[Ident]) -> Option<String> {
    let spelled: Vec<String> = words.iter().map(|word| word.value.to_ascii_lowercase()).collect();
    match spelled.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["all"] => None,
        ["time", "zone"] => Some("TimeZone".to_string()),
        ["transaction", "isolation", "level"] => Some("transaction_isolation".to_string()),
        ["session", "authorization"] => Some("session_authorization".to_string()),
        _ => Some(words.iter().map(|word| word.value.clone()).collect::<Vec<_>>().join(".")),
    }
}

/// RESET with several words, which sqlparser does not know; `None` for any other statement.
pub(crate) fn parse_reset(mut words: Words<'_>) -> Result<Option<Statement>> {
    if !words.word("reset") {
        return Ok(None);
    }
    let name = if words.words(&["time", "zone"]) {
        "TimeZone"
    } else if words.words(&["transaction", "isolation", "level"]) {
        "transaction_isolation"
    } else if words.words(&["session", "authorization"]) {
        "session_authorization"
    } else {
        return Ok(None);
    };
    words.end()?;
    let reset = Reset::ConfigurationParameter(ObjectName::from(vec![Ident::new(name)]));
    Ok(Some(Statement::Reset(ResetStatement { reset })))
}

/// RESET of a name, or of everything.
pub(crate) fn reset(settings: &Settings, name: Option<&ObjectName>) -> Result<()> {
    match name.map(dotted).transpose()? {
        // There is one role, and it is everybody's already.
        Some(name) if ["role", "session_authorization"].contains(&name.to_ascii_lowercase().as_str()) => Ok(()),
        Some(name) => settings.reset(&name),
        None => {
            settings.reset_all();
            Ok(())
        }
    }
}

fn is_local(scope: Option<&ContextModifier>) -> Result<bool> {
    match scope {
        None | Some(ContextModifier::Session) => Ok(false),
        Some(ContextModifier::Local) => Ok(true),
        Some(ContextModifier::Global) => Err(Error::new(ErrorKind::Syntax, "SET GLOBAL is not Postgres's SQL")),
    }
}

fn is_default(word: &Ident) -> bool {
    word.quote_style.is_none() && word.value.eq_ignore_ascii_case("default")
}

fn dotted(name: &ObjectName) -> Result<String> {
    let parts: Option<Vec<_>> = name.0.iter().map(|part| part.as_ident().map(|ident| ident.value.clone())).collect();
    parts.map(|parts| parts.join(".")).ok_or_else(|| Error::new(ErrorKind::Syntax, format!("\"{name}\" is not a name")))
}

/// A schema in a search path, quoted where it must be to be read again.
fn schema_name(value: &Expr) -> Result<String> {
    let name = match value {
        Expr::Identifier(word) => normalize(word),
        other => text(other)?,
    };
    Ok(quote_identifier(&name))
}

/// A value as SET writes it: a word, a string, a number.
fn text(value: &Expr) -> Result<String> {
    match value {
        Expr::Identifier(word) => Ok(word.value.clone()),
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => Ok(number.clone()),
            Value::Boolean(value) => Ok(if *value { "on" } else { "off" }.to_string()),
            other => other.clone().into_string().ok_or_else(|| not_a_value(value)),
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => Ok(format!("-{}", text(expr)?)),
        other => Err(not_a_value(other)),
    }
}

fn not_a_value(value: &impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Syntax, format!("SET needs a word, a string or a number, not {value}"))
}
