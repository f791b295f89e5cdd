//! SQLx, which looks types up by name, prepares every statement and speaks the binary form.

use pgvector::{HalfVector, SparseVector, Vector};
use quartzdb_clients::{QUERY, ROWS, bits, halves, nearest, nearest_bits, sorted, sparse, vectors};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Decode, Encode, Postgres, Type, query, query_as, query_scalar};
use std::fmt::Debug;

/// Connects to where libpq's variables point.
async fn connect() -> PgConnection {
    PgConnectOptions::new().connect().await.unwrap()
}

/// Sends values in both forms, and reads them in binary and as text.
async fn round_trip<T>(kind: &str, values: &[T])
where
    T: Type<Postgres>
        + for<'a> Encode<'a, Postgres>
        + for<'a> Decode<'a, Postgres>
        + Clone
        + Send
        + Unpin
        + PartialEq
        + Debug,
{
    let mut connection = connect().await;
    for value in values {
        let select = "SELECT $1, $1::text, pg_typeof($1)::text";
        let (back, text, type_name): (T, String, String) =
            query_as(select).bind(value.clone()).fetch_one(&mut connection).await.unwrap();
        assert_eq!((&back, type_name.as_str()), (value, kind));
        let select = AssertSqlSafe(format!("SELECT $1::text::{kind}"));
        let back: T = query_scalar(select).bind(text).fetch_one(&mut connection).await.unwrap();
        assert_eq!(&back, value);
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
    let asked = query_as("SELECT $1::vector, $2::vector[]").bind(None::<Vector>).bind(vectors());
    let row: (Option<Vector>, Vec<Vector>) = asked.fetch_one(&mut connect().await).await.unwrap();
    assert_eq!(row, (None, vectors()));
}

/// Inserts rows, and asks an index of the class for the nearest.
async fn nearest_rows<T>(
    kind: &str,
    rows: &[(i32, T)],
    asked: &T,
    operator: &str,
    class: &str,
) -> Vec<(i32, f64)>
where
    T: Type<Postgres> + for<'a> Encode<'a, Postgres> + Clone + Send,
{
    let mut connection = connect().await;
    let create = AssertSqlSafe(format!("CREATE TEMP TABLE items (id int, embedding {kind}(3))"));
    query(create).execute(&mut connection).await.unwrap();
    for (id, value) in rows {
        let insert = query("INSERT INTO items VALUES ($1, $2)").bind(id).bind(value.clone());
        insert.execute(&mut connection).await.unwrap();
    }
    let index =
        AssertSqlSafe(format!("CREATE INDEX nearest ON items USING hnsw (embedding {kind}_{class}_ops)"));
    query(index).execute(&mut connection).await.unwrap();
    query("SET enable_seqscan = off").execute(&mut connection).await.unwrap();
    let select =
        format!("SELECT id, embedding {operator} $1 FROM items ORDER BY embedding {operator} $1 LIMIT 3");
    let explain = query_scalar(AssertSqlSafe(format!("EXPLAIN {select}"))).bind(asked.clone());
    let plan: Vec<String> = explain.fetch_all(&mut connection).await.unwrap();
    assert!(plan.iter().any(|line| line.contains("Index Scan using nearest")), "{plan:?}");
    let select = query_as(AssertSqlSafe(select)).bind(asked.clone());
    sorted(select.fetch_all(&mut connection).await.unwrap())
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
async fn a_wrong_length_is_an_error_and_the_connection_goes_on() {
    let mut connection = connect().await;
    query("CREATE TEMP TABLE items (embedding vector(3))").execute(&mut connection).await.unwrap();
    let insert = "INSERT INTO items VALUES ($1)";
    let error =
        query(insert).bind(Vector::from(QUERY[..2].to_vec())).execute(&mut connection).await.unwrap_err();
    let error = error.as_database_error().unwrap();
    assert_eq!((error.code().unwrap().as_ref(), error.message()), ("22000", "expected 3 dimensions, not 2"));
    let done = query(insert).bind(Vector::from(QUERY.to_vec())).execute(&mut connection).await.unwrap();
    assert_eq!(done.rows_affected(), 1);
}
