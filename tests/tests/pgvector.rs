//! The Python package `pgvector`, as its users have it: with psycopg, SQLAlchemy and asyncpg, in text and in binary.

use slipstream_tests::{Output, TestServer, python};

/// Runs a script against a server of its own; it says "done" when all that it asserts holds.
fn holds(script: &str) {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let Output { success, stdout, stderr } = python(&server, &[], script);
    assert!(success && stdout == "done\n", "{stderr}\n{stdout}");
}

#[test]
fn psycopg_reads_writes_and_copies_every_kind_of_vector() {
    holds(
        r#"
import psycopg
from pgvector import Bit, HalfVector, SparseVector, Vector
from pgvector.psycopg import register_vector
import numpy as np

with psycopg.connect(autocommit=True) as conn:
    conn.execute("CREATE EXTENSION IF NOT EXISTS vector")
    register_vector(conn)
    conn.execute("DROP TABLE IF EXISTS psycopg_items")
    conn.execute("CREATE TABLE psycopg_items (id bigserial PRIMARY KEY, embedding vector(3), half_embedding halfvec(3), binary_embedding bit(3), sparse_embedding sparsevec(3), any_embedding vector)")
    conn.execute("INSERT INTO psycopg_items (embedding, half_embedding, binary_embedding, sparse_embedding, any_embedding) VALUES (%s, %s, %s, %s, %s)",
                 (Vector([1, 2, 3]), HalfVector([1, 2, 3]), Bit("101"), SparseVector([0, 2, 0]), Vector([9, 8])))
    conn.execute("INSERT INTO psycopg_items (embedding) VALUES (%s), (NULL)", (np.array([4.0, 5.0, 6.0]),))
    for binary in (False, True):
        with conn.cursor(binary=binary) as cur:
            row = cur.execute("SELECT embedding, half_embedding, binary_embedding, sparse_embedding, any_embedding FROM psycopg_items ORDER BY id LIMIT 1").fetchone()
            assert row[0] == Vector([1, 2, 3]), row
            assert row[1] == HalfVector([1, 2, 3]), row
            assert row[2] == (b"\x00\x00\x00\x03\xa0" if binary else "101"), row
            assert row[3] == SparseVector([0, 2, 0]), row
            assert row[4] == Vector([9, 8]), row
            near = cur.execute("SELECT id FROM psycopg_items ORDER BY embedding <-> %s LIMIT 5", (Vector([3, 3, 3]),)).fetchall()
            assert [id for (id,) in near] == [1, 2, 3], near
            near = cur.execute("SELECT id, half_embedding <=> %s FROM psycopg_items ORDER BY half_embedding <=> %s LIMIT 1", (HalfVector([1, 2, 3]), HalfVector([1, 2, 3]))).fetchall()
            assert near[0][0] == 1 and near[0][1] < 1e-6, near
            near = cur.execute("SELECT id, sparse_embedding <#> %s FROM psycopg_items WHERE sparse_embedding IS NOT NULL", (SparseVector([1, 1, 1]),)).fetchall()
            assert near == [(1, -2.0)], near
            near = cur.execute("SELECT id, binary_embedding <~> %s FROM psycopg_items WHERE binary_embedding IS NOT NULL", (Bit("111"),)).fetchall()
            assert near == [(1, 1.0)], near
            total = cur.execute("SELECT avg(embedding), sum(embedding) FROM psycopg_items").fetchone()
            assert total == (Vector([2.5, 3.5, 4.5]), Vector([5, 7, 9])), total
            assert cur.execute("SELECT %s::vector, %s::halfvec, %s::sparsevec, %s", (Vector([1, 2]), HalfVector([1, 2]), SparseVector([1, 0]), Vector([1.5]))).fetchone() == (Vector([1, 2]), HalfVector([1, 2]), SparseVector([1, 0]), Vector([1.5]))
            assert cur.execute("SELECT embedding + %s FROM psycopg_items WHERE embedding = %s", (Vector([1, 1, 1]), Vector([1, 2, 3]))).fetchone() == (Vector([2, 3, 4]),)
    for format in ("TEXT", "BINARY"):
        with conn.cursor().copy(f"COPY psycopg_items (embedding, half_embedding, binary_embedding, sparse_embedding, any_embedding) FROM STDIN WITH (FORMAT {format})") as copy:
            if format == "BINARY":
                copy.set_types(["vector", "halfvec", "bit", "sparsevec", "vector"])
            for i in range(20):
                copy.write_row([Vector([i, 1, 2]), HalfVector([i, 1, 2]), Bit("011"), SparseVector([i, 0, 1]), Vector([1.0] * (i + 1))])
    for format in ("TEXT", "BINARY"):
        with conn.cursor().copy(f"COPY (SELECT embedding, half_embedding, binary_embedding, sparse_embedding, any_embedding FROM psycopg_items WHERE id > 3 ORDER BY id LIMIT 20) TO STDOUT WITH (FORMAT {format})") as copy:
            copy.set_types(["vector", "halfvec", "bit", "sparsevec", "vector"])
            rows = list(copy.rows())
            assert len(rows) == 20 and rows[7][0] == Vector([7, 1, 2]) and rows[7][1] == HalfVector([7, 1, 2]) and rows[7][3] == SparseVector([7, 0, 1]) and rows[7][4] == Vector([1] * 8), rows[7]
    for bad, state in ((Vector([1, 2]), "22000"), ("[1,NaN,2]", "22000"), ("[1,2", "22P02")):
        try:
            conn.execute("INSERT INTO psycopg_items (embedding) VALUES (%s)", (bad,))
            raise AssertionError(bad)
        except psycopg.Error as error:
            assert error.sqlstate == state, (bad, error)
print("done")
"#,
    );
}

#[test]
fn asyncpg_reads_writes_and_copies_every_kind_of_vector() {
    holds(
        r#"
import asyncio
import asyncpg
from pgvector import Bit, HalfVector, SparseVector, Vector
from pgvector.asyncpg import register_vector

async def main():
    conn = await asyncpg.connect()
    await conn.execute("CREATE EXTENSION IF NOT EXISTS vector")
    await conn.execute("DROP TABLE IF EXISTS asyncpg_items")
    await conn.execute("CREATE TABLE asyncpg_items (id bigserial PRIMARY KEY, embedding vector(3), half_embedding halfvec(3), binary_embedding bit(3), sparse_embedding sparsevec(3))")
    await register_vector(conn)
    values = (Vector([1, 2, 3]), HalfVector([1, 2, 3]), asyncpg.BitString("101"), SparseVector([1, 0, 3]))
    await conn.execute("INSERT INTO asyncpg_items (embedding, half_embedding, binary_embedding, sparse_embedding) VALUES ($1, $2, $3, $4), (NULL, NULL, NULL, NULL)", *values)
    rows = await conn.fetch("SELECT * FROM asyncpg_items ORDER BY id")
    assert rows[0]["embedding"] == values[0] and rows[0]["half_embedding"] == values[1], rows[0]
    assert rows[0]["binary_embedding"] == values[2] and rows[0]["sparse_embedding"] == values[3], rows[0]
    assert rows[1]["embedding"] is None and rows[1]["sparse_embedding"] is None
    assert await conn.fetchval("SELECT id FROM asyncpg_items ORDER BY embedding <-> $1 LIMIT 1", Vector([1, 2, 4])) == 1
    assert await conn.fetchval("SELECT embedding <-> $1 FROM asyncpg_items WHERE id = 1", Vector([1, 2, 4])) == 1.0
    assert await conn.fetchval("SELECT half_embedding <+> $1 FROM asyncpg_items WHERE id = 1", HalfVector([1, 2, 5])) == 2.0
    assert await conn.fetchval("SELECT binary_embedding <%> $1 FROM asyncpg_items WHERE id = 1", asyncpg.BitString("100")) == 0.5
    assert await conn.fetchval("SELECT sparse_embedding <-> $1 FROM asyncpg_items WHERE id = 1", SparseVector([1, 0, 1])) == 2.0
    await conn.copy_records_to_table("asyncpg_items", records=[(Vector([i, i, i]), HalfVector([i, 0, 0])) for i in range(50)], columns=["embedding", "half_embedding"])
    assert await conn.fetchval("SELECT avg(embedding) FROM asyncpg_items WHERE id > 2") == Vector([24.5, 24.5, 24.5])
    await conn.close()

asyncio.run(main())
print("done")
"#,
    );
}

#[test]
fn sqlalchemy_makes_tables_of_vectors_and_orders_by_distances() {
    holds(
        r#"
import numpy as np
from pgvector import HalfVector, SparseVector, Vector
from pgvector.sqlalchemy import BIT, HALFVEC, SPARSEVEC, VECTOR, avg, sum
from sqlalchemy import Integer, Text, create_engine, func, insert, inspect, select, text
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session, declarative_base, mapped_column

engine = create_engine("postgresql+psycopg://")
with Session(engine) as session:
    session.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
    session.commit()
Base = declarative_base()

class Item(Base):
    __tablename__ = "sqlalchemy_orm_item"
    id = mapped_column(Integer, primary_key=True)
    embedding = mapped_column(VECTOR(3))
    half_embedding = mapped_column(HALFVEC(3))
    binary_embedding = mapped_column(BIT(3))
    sparse_embedding = mapped_column(SPARSEVEC(3))

Base.metadata.drop_all(engine)
Base.metadata.create_all(engine)
with Session(engine) as session:
    session.add(Item(id=1, embedding=[1, 1, 1], half_embedding=[1, 1, 1], binary_embedding="000", sparse_embedding=SparseVector([1, 1, 1])))
    session.add(Item(id=2, embedding=[2, 2, 2], half_embedding=[2, 2, 2], binary_embedding="101", sparse_embedding=SparseVector([2, 2, 2])))
    session.add(Item(id=3, embedding=[1, 1, 2], half_embedding=[1, 1, 2], binary_embedding="111", sparse_embedding=SparseVector([1, 1, 2])))
    session.commit()
    def ids(order):
        return [item.id for item in session.scalars(select(Item).order_by(order))]
    assert ids(Item.embedding.l2_distance([1, 1, 1])) == [1, 3, 2]
    assert ids(Item.embedding.max_inner_product([1, 1, 1])) == [2, 3, 1]
    assert ids(Item.embedding.cosine_distance([1, 1, 1]))[-1] == 3
    assert ids(Item.embedding.l1_distance([1, 1, 1])) == [1, 3, 2]
    assert ids(Item.half_embedding.l2_distance([1, 1, 1])) == [1, 3, 2]
    assert ids(Item.half_embedding.l1_distance([1, 1, 1])) == [1, 3, 2]
    assert ids(Item.sparse_embedding.l2_distance(SparseVector([1, 1, 1]))) == [1, 3, 2]
    assert ids(Item.sparse_embedding.cosine_distance([1, 1, 1]))[-1] == 3
    assert ids(Item.binary_embedding.hamming_distance("101")) == [2, 3, 1]
    assert ids(Item.binary_embedding.jaccard_distance("101")) == [2, 3, 1]
    assert session.scalars(select(Item.embedding.l2_distance([1, 1, 1])).order_by(Item.id)).all() == [0, 1.7320508075688772, 1]
    assert session.scalars(select(Item.id).filter(Item.embedding.l2_distance([1, 1, 1]) < 1).order_by(Item.id)).all() == [1]
    average, total = session.execute(select(avg(Item.embedding), sum(Item.half_embedding))).one()
    assert np.allclose(np.array(average.to_list() if hasattr(average, "to_list") else average), [4/3, 4/3, 5/3]), average
    item = session.get(Item, 2)
    item.embedding = [7, 8, 9]
    session.commit()
    assert [float(x) for x in (session.get(Item, 2).embedding.to_list() if hasattr(session.get(Item, 2).embedding, "to_list") else session.get(Item, 2).embedding)] == [7, 8, 9]
    try:
        session.add(Item(id=9, embedding=[1, 2]))
        session.commit()
        raise AssertionError("a wrong dimension")
    except StatementError as error:
        assert "expected 3 dimensions, not 2" in str(error), error
        session.rollback()
columns = {column["name"]: str(column["type"]) for column in inspect(engine).get_columns("sqlalchemy_orm_item")}
assert columns["embedding"] == "VECTOR(3)" and columns["half_embedding"] == "HALFVEC(3)" and columns["sparse_embedding"] == "SPARSEVEC(3)" and columns["binary_embedding"].startswith("BIT"), columns
print("done")
"#,
    );
}
