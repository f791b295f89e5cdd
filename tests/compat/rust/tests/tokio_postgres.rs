//! tokio-postgres, which binds and reads the binary form of a type whose name the crate `pgvector` knows.

use pgvector::{HalfVector, SparseVector, Vector};
use quartzdb_clients::{QUERY, ROWS, bits, halves, nearest, nearest_bits, sorted, sparse, vectors};
use std::env::var;
use std::fmt::Debug;
use std::pin::pin;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{FromSqlOwned, ToSql};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

async fn connect() -> Client {
    let mut config = Config::new();
    config.host(var("PGHOST").unwrap()).port(var("PGPORT").unwrap().parse().unwrap());
    config.user(var("PGUSER").unwrap()).dbname(var("PGDATABASE").unwrap());
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Sends values in both forms and reads them in both forms.
async fn round_trip<T: ToSql + FromSqlOwned + Sync + PartialEq + Debug>(kind: &str, values: &[T]) {
    let client = connect().await;
    for value in values {
        let row = client
            .query_one(&format!("SELECT $1::{kind}, $1::{kind}::text, pg_typeof($1)::text"), &[value])
            .await
            .unwrap();
        assert_eq!((&row.get::<_, T>(0), row.get::<_, &str>(2)), (value, kind));
        let text: &str = row.get(1);
        let row = client.query_one(&format!("SELECT $1::text::{kind}"), &[&text]).await.unwrap();
        assert_eq!(&row.get::<_, T>(0), value);
        // the simple protocol answers in text
        let answer = client.simple_query(&format!("SELECT '{text}'::{kind}")).await.unwrap();
        assert!(
            answer
                .iter()
                .any(|message| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some(text)))
        );
    }
}

#[tokio::test]
async fn vectors_come_back_bit_for_bit_in_both_forms() {
    round_trip("vector", &vectors()).await;
}

#[tokio::test]
async fn halves_come_back_bit_for_bit_in_both_forms() {
    round_trip("halfvec", &halves()).await;
}

#[tokio::test]
async fn sparse_vectors_come_back_bit_for_bit_in_both_forms() {
    round_trip("sparsevec", &sparse()).await;
}

#[tokio::test]
async fn null_and_arrays_come_back() {
    let client = connect().await;
    let row =
        client.query_one("SELECT $1::vector, $2::vector[]", &[&None::<Vector>, &vectors()]).await.unwrap();
    assert_eq!((row.get::<_, Option<Vector>>(0), row.get::<_, Vec<Vector>>(1)), (None, vectors()));
}

/// Inserts rows, and asks an index of the class for the nearest.
async fn nearest_rows<T: ToSql + Sync>(
    kind: &str,
    rows: &[(i32, T)],
    query: &T,
    operator: &str,
    class: &str,
) -> Vec<(i32, f64)> {
    let client = connect().await;
    client.batch_execute(&format!("CREATE TEMP TABLE items (id int, embedding {kind}(3))")).await.unwrap();
    for (id, value) in rows {
        client.execute("INSERT INTO items VALUES ($1, $2)", &[id, value]).await.unwrap();
    }
    let index = format!(
        "CREATE INDEX nearest ON items USING hnsw (embedding {kind}_{class}_ops); SET enable_seqscan = off"
    );
    client.batch_execute(&index).await.unwrap();
    let select =
        format!("SELECT id, embedding {operator} $1 FROM items ORDER BY embedding {operator} $1 LIMIT 3");
    let plan = client.query(&format!("EXPLAIN {select}"), &[query]).await.unwrap();
    assert!(plan.iter().any(|line| line.get::<_, &str>(0).contains("Index Scan using nearest")), "{plan:?}");
    let found = client.query(&select, &[query]).await.unwrap();
    sorted(found.iter().map(|row| (row.get(0), row.get(1))).collect())
}

#[tokio::test]
async fn an_index_finds_the_nearest_rows_at_exact_distances() {
    for (operator, class, expected) in nearest() {
        let rows = ROWS.map(|(id, row)| (id, Vector::from(row.to_vec())));
        assert_eq!(nearest_rows("vector", &rows, &rows[0].1, operator, class).await, expected);
        let rows = ROWS.map(|(id, row)| (id, HalfVector::from_f32_slice(&row)));
        assert_eq!(nearest_rows("halfvec", &rows, &rows[0].1, operator, class).await, expected);
        let rows = ROWS.map(|(id, row)| (id, SparseVector::from_dense(&row)));
        assert_eq!(nearest_rows("sparsevec", &rows, &rows[0].1, operator, class).await, expected);
    }
}

#[tokio::test]
async fn an_index_finds_the_nearest_bits() {
    for (operator, class, expected) in nearest_bits() {
        assert_eq!(nearest_rows("bit", &bits(), &bits()[0].1, operator, class).await, expected);
    }
}

#[tokio::test]
async fn binary_copy_goes_in() {
    let client = connect().await;
    client.batch_execute("CREATE TEMP TABLE copied (id int, embedding vector)").await.unwrap();
    let columns = client.prepare("SELECT * FROM copied").await.unwrap();
    let types: Vec<_> = columns.columns().iter().map(|column| column.type_().clone()).collect();
    let sink = client.copy_in("COPY copied FROM STDIN (FORMAT binary)").await.unwrap();
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
    for (value, id) in vectors().iter().zip(0..) {
        writer.as_mut().write(&[&id, value]).await.unwrap();
    }
    writer.finish().await.unwrap();
    let rows = client.query("SELECT embedding FROM copied ORDER BY id", &[]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<Vector>>(), vectors());
}

#[tokio::test]
async fn a_wrong_length_is_an_error_and_the_connection_goes_on() {
    let client = connect().await;
    client.batch_execute("CREATE TEMP TABLE items (embedding vector(3))").await.unwrap();
    let short = Vector::from(QUERY[..2].to_vec());
    let error = client.execute("INSERT INTO items VALUES ($1)", &[&short]).await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!((error.code().code(), error.message()), ("22000", "expected 3 dimensions, not 2"));
    assert_eq!(
        client.execute("INSERT INTO items VALUES ($1)", &[&Vector::from(QUERY.to_vec())]).await.unwrap(),
        1
    );
}
