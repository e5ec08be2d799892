//! `embed(text)`: the vector that a model makes of a text.
//!
//! The model is asked over HTTP, by the API that OpenAI began and Ollama, vLLM and others have too; which one, is in the
//! settings `slipstream.embed_*`. Nothing here is part of the storage: a statement asks before it writes, so no commit waits for a
//! model, and what it stores is an ordinary `vector(n)`.
//!
//! 1. The planner finds `embed` in [`function()`], which gives it the settings of the session. They are part of a kept
//!    plan's basis.
//! 2. When the statement runs and its parameters are known, [`with_constants`] asks for everything that depends on no row, all of
//!    it at once, and puts literals in its place: an index can search for them.
//! 3. `embed` of columns is DataFusion's to call batch by batch, in select lists and conditions; elsewhere it is refused.
//!
//! 4. ALTER TABLE computes a column under the writer's lock, where nobody may wait: it asks for all texts before, and takes their vectors from
//!    [`known()`].
//!
//! The answer must have as many dimensions as the settings say, and no others than finite numbers.

mod client;
mod constants;
mod function;
mod known;

pub(crate) use client::Model;
pub(crate) use constants::{is_call, with_constants};
pub(crate) use function::function;
pub(crate) use known::known;

use slipstream_catalog::pg_catalog::session_info::SettingsSource;

/// The name of the function.
pub(crate) const NAME: &str = "embed";

/// The settings of a session that say which model is asked.
const SETTINGS: [&str; 5] = [
    "slipstream.embed_base_url",
    "slipstream.embed_model",
    "slipstream.embed_key",
    "slipstream.embed_dimensions",
    "slipstream.embed_timeout",
];

/// The settings, for what a kept plan depends on.
pub(crate) fn basis(settings: &dyn SettingsSource) -> String {
    SETTINGS.map(|name| settings.unmasked(name).unwrap_or_default()).join(" ")
}
