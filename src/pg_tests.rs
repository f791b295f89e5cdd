//! Tests that call the library from within a server: what neither unit tests nor SQL scripts reach.

#![allow(clippy::expect_used)] // tests

#[pgrx::pg_schema]
mod tests {
    use crate::metric::Metric;
    use pgrx::prelude::*;

    const A: [f32; 3] = [1.5, -2.0, 3.25];
    const B: [f32; 3] = [0.5, 4.0, -1.0];

    fn literal(vector: &[f32]) -> String {
        format!("'{vector:?}'::vector")
    }

    #[pg_test]
    fn operators_compute_what_the_index_takes_them_to_compute() {
        let operators = [
            ("<->", Metric::L2),
            ("<#>", Metric::InnerProduct),
            ("<=>", Metric::Cosine),
            ("<+>", Metric::L1),
        ];
        for (operator, metric) in operators {
            let query = format!("SELECT {} {operator} {}", literal(&A), literal(&B));
            let distance = Spi::get_one::<f64>(&query).expect("the query runs");
            assert_eq!(distance, Some(metric.distance(&A, &B)), "{operator}");
        }
    }

    /// A datum of the wrong size can come from a damaged page, or from a cast that a superuser declared.
    fn read_as(type_name: &str, bytes: &str, expression: &str) {
        Spi::run(&format!("CREATE CAST (bytea AS {type_name}) WITHOUT FUNCTION")).expect("a cast");
        Spi::run(&format!(
            "SELECT {}",
            expression.replace("$", &format!("'\\x{bytes}'::bytea::{type_name}"))
        ))
        .expect("the query runs");
    }

    fn read_as_vector(bytes: &str, expression: &str) {
        read_as("vector", bytes, expression);
    }

    #[pg_test(error = "vector of 3 dimensions has 16 bytes")]
    fn a_distance_refuses_a_datum_of_the_wrong_size() {
        read_as_vector("03000000000000000000803f", "$ <-> '[1,2,3]'");
    }

    #[pg_test(error = "vector of 3 dimensions has 16 bytes")]
    fn a_function_refuses_a_datum_of_the_wrong_size() {
        read_as_vector("03000000000000000000803f", "vector_dims($)");
    }

    #[pg_test(error = "vector of 0 dimensions has 5 bytes")]
    fn a_datum_without_a_header_is_refused() {
        read_as_vector("03", "vector_dims($)");
    }

    #[pg_test(error = "halfvec of 3 dimensions has 12 bytes")]
    fn a_halfvec_of_the_wrong_size_is_refused() {
        read_as("halfvec", "03000000003c003c", "$ <=> '[1,2,3]'");
    }

    #[pg_test(error = "sparsevec of 3 dimensions and 2 non-zero elements has 24 bytes")]
    fn a_sparsevec_of_the_wrong_size_is_refused() {
        read_as("sparsevec", "0300000002000000000000000000000000000080", "l2_norm($)");
    }

    #[pg_test(error = "sparsevec of 3 dimensions and -1 non-zero elements has 16 bytes")]
    fn a_sparsevec_with_less_than_no_elements_is_refused() {
        read_as("sparsevec", "03000000ffffffff00000000", "$ <-> '{}/3'");
    }

    #[pg_test(error = "sparsevec index out of bounds")]
    fn an_index_past_the_end_of_a_damaged_sparsevec_writes_nowhere() {
        read_as("sparsevec", "030000000100000000000000030000000000803f", "$::vector");
    }

    #[pg_test(error = "bit of 17 bits has 10 bytes")]
    fn a_bit_string_of_the_wrong_size_is_refused() {
        read_as("bit varying", "11000000ffff", "$ <~> $");
    }

    #[pg_test]
    fn every_half_is_printed_and_read_back() {
        let same = Spi::get_one::<i64>(
            "SELECT count(*) FROM generate_series(0, 65535) i,
                 LATERAL (SELECT ('\\x00010000' || lpad(to_hex(i), 4, '0')) AS wire) w,
                 LATERAL (SELECT (CASE WHEN i & 31744 = 31744 THEN '[0]' ELSE
                     '[' || (CASE WHEN i > 32767 THEN '-' ELSE '' END) || (CASE WHEN i & 31744 = 0
                         THEN (i & 1023) * power(2::float8, -24)
                         ELSE (1024 + (i & 1023)) * power(2::float8, (i & 31744) / 1024 - 25) END)::text || ']' END)::halfvec AS v) h
             WHERE i & 31744 <> 31744 AND halfvec_send(v)::text = wire AND halfvec_send(v::text::halfvec)::text = wire",
        );
        assert_eq!(same, Ok(Some(2 * 31 * 1024)));
    }

    #[pg_test]
    fn averages_of_a_window_do_not_change_those_handed_out_before() {
        let averages = Spi::get_one::<String>(
            "SELECT string_agg(average::text, ' ' ORDER BY i) FROM (
                 SELECT i, avg(ARRAY[i, 2 * i]::vector) OVER (ORDER BY i) AS average FROM generate_series(1, 4) i) w",
        );
        assert_eq!(averages, Ok(Some("[1,2] [1.5,3] [2,4] [2.5,5]".to_string())));
    }

    #[pg_test]
    fn an_error_in_a_block_leaves_the_session_interruptible_and_the_index_usable() {
        Spi::run(
            "CREATE TABLE t (v vector(3));
             INSERT INTO t SELECT ARRAY[i, i % 7, i % 11]::vector FROM generate_series(1, 500) i;
             CREATE INDEX ON t USING hnsw (v vector_l2_ops);
             SET enable_seqscan = off;
             DO $$ BEGIN PERFORM 1 FROM t ORDER BY v <-> '[1,2]' LIMIT 1; EXCEPTION WHEN data_exception THEN NULL; END $$;",
        )
        .expect("the statements run");
        // SAFETY: a counter of the session, read in its only thread.
        let held_off = unsafe { pg_sys::InterruptHoldoffCount };
        assert_eq!(held_off, 0, "nothing holds interrupts off");
        let nearest = Spi::get_one::<String>("SELECT v::text FROM t ORDER BY v <-> '[42,0,9]' LIMIT 1");
        assert_eq!(nearest, Ok(Some("[42,0,9]".to_string())));
    }
}
