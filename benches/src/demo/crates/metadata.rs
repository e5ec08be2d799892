//! The part of `cargo metadata`'s output that the demo uses (format version 1).

use std::path::PathBuf;
use std::process::Command;

use serde::Deserialize;

use crate::demo::{Error, Result};

/// The packages of a workspace and all their dependencies.
#[derive(Deserialize)]
pub(super) struct Metadata {
    pub(super) packages: Vec<Package>,
    pub(super) resolve: Resolve,
}

/// A package as its manifest describes it.
#[derive(Deserialize)]
pub(super) struct Package {
    /// Opaque, and unique in the graph.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) license: Option<String>,
    pub(super) description: Option<String>,
    pub(super) repository: Option<String>,
    pub(super) manifest_path: PathBuf,
    /// Relative to the manifest.
    pub(super) readme: Option<PathBuf>,
    pub(super) authors: Vec<String>,
    pub(super) categories: Vec<String>,
    pub(super) keywords: Vec<String>,
    pub(super) dependencies: Vec<Declaration>,
}

/// A dependency as a manifest declares it, whether or not it is used.
#[derive(Deserialize)]
pub(super) struct Declaration {
    pub(super) name: String,
    pub(super) req: String,
    kind: Option<String>,
    pub(super) optional: bool,
    pub(super) features: Vec<String>,
}

impl Declaration {
    pub(super) fn kind_name(&self) -> &'static str {
        kind_name(self.kind.as_deref())
    }
}

/// What cargo chose.
#[derive(Deserialize)]
pub(super) struct Resolve {
    pub(super) nodes: Vec<Node>,
}

/// A package with the packages that it uses.
#[derive(Deserialize)]
pub(super) struct Node {
    pub(super) id: String,
    pub(super) deps: Vec<NodeDependency>,
}

/// One used package.
#[derive(Deserialize)]
pub(super) struct NodeDependency {
    pub(super) pkg: String,
    pub(super) dep_kinds: Vec<DependencyKind>,
}

/// What it is used for.
#[derive(Deserialize)]
pub(super) struct DependencyKind {
    kind: Option<String>,
}

impl DependencyKind {
    pub(super) fn name(&self) -> &'static str {
        kind_name(self.kind.as_deref())
    }
}

/// Cargo writes null for an ordinary dependency.
fn kind_name(kind: Option<&str>) -> &'static str {
    match kind {
        Some("build") => "build",
        Some("dev") => "dev",
        _ => "normal",
    }
}

/// Asks cargo about the workspace that the current directory is in.
pub(super) fn read() -> Result<Metadata> {
    const COMMAND: &str = "cargo metadata --locked --format-version 1";
    let failed = |reason: String| Error::Command { command: COMMAND.to_string(), reason };
    let output =
        Command::new("cargo").args(COMMAND.split(' ').skip(1)).output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_string()));
    }
    parse(&output.stdout, COMMAND)
}

pub(super) fn parse(json: &[u8], command: &str) -> Result<Metadata> {
    serde_json::from_slice(json).map_err(|source| Error::Output { command: command.to_string(), source })
}
