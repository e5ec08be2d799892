//! A sequence read as a table: one row that says where it stands.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use slipstream_engine::catalog::SequenceDefinition;
use slipstream_engine::{Database, Result};

use crate::metadata::{Kind, MetadataTable, Relation, RowSource, Rows};

static RELATION: LazyLock<Relation> = LazyLock::new(|| {
    Relation::new(
        "sequence",
        0,
        Kind::Table,
        "Where a sequence stands.",
        "last_value int8!, log_cnt int8!, is_called bool!",
    )
});

/// The table that a sequence is to a query.
pub fn sequence_table(database: &Arc<Database>, sequence: &Arc<SequenceDefinition>) -> Arc<dyn TableProvider> {
    let source = Standing { database: Arc::clone(database), sequence: Arc::clone(sequence) };
    Arc::new(MetadataTable::new(&RELATION, Some(Arc::new(source))))
}

/// The columns of every sequence.
pub(crate) fn columns() -> &'static Relation {
    &RELATION
}

struct Standing {
    database: Arc<Database>,
    sequence: Arc<SequenceDefinition>,
}

#[async_trait]
impl RowSource for Standing {
    async fn fill(&self, rows: &mut Rows) -> Result<()> {
        let (last, called) = self.database.sequences().last(&self.sequence);
        rows.add().set("last_value", last).set("is_called", called);
        Ok(())
    }
}
