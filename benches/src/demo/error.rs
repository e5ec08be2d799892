//! What can go wrong while the demo is loaded. The causes are the sources, printed below the message.

use std::path::{Path, PathBuf};
use std::{error, io, result};

/// A demo that could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server refused or broke off a step.
    #[error("{step} failed")]
    Server {
        /// What was being done.
        step: String,
        /// The server's answer, or why there was none.
        source: Box<dyn error::Error + Send + Sync>,
    },
    /// A program whose output is the data could not be run or failed.
    #[error("`{command}` failed: {reason}")]
    Command {
        /// The command line.
        command: String,
        /// Its error output, or why it did not run.
        reason: String,
    },
    /// A program's output is not what it is documented to be.
    #[error("the output of `{command}` could not be understood")]
    Output {
        /// The command line.
        command: String,
        /// Where it stopped making sense.
        source: serde_json::Error,
    },
    /// A file or folder could not be read.
    #[error("{} could not be read", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A result of the demo.
pub type Result<T> = result::Result<T, Error>;

impl Error {
    /// For `map_err` on what the server answers while it does `step`.
    pub(super) fn server(step: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> Error {
        let step = step.into();
        move |error| {
            // The client library's own text for an answer of the server is no more than "db error".
            let source = match error.as_db_error() {
                Some(answer) => answer.clone().into(),
                None => error.into(),
            };
            Error::Server { step, source }
        }
    }

    /// For `map_err` on reading `path`.
    pub(super) fn read(path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_path_buf();
        move |source| Error::Read { path, source }
    }
}
