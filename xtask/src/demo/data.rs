//! The files in `demo/`, and the form in which a vector travels to the server.

use crate::workspace;
use anyhow::{Context, Result, ensure};
use bytes::{BufMut, BytesMut};
use half::f16;
use half::slice::HalfFloatSliceExt;
use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use std::error::Error;
use std::fs;

/// A row of the table `packages`.
pub struct Program {
    pub id: i32,
    pub name: String,
    pub section: String,
    pub installed_kb: i32,
    pub summary: String,
    pub embedding: Vector,
}

/// A row of the table `queries`.
pub struct Query {
    pub id: i32,
    pub text: String,
    pub embedding: Vector,
}

/// A value of the SQL type `vector`.
#[derive(Clone, Debug, PartialEq)]
pub struct Vector(pub Vec<f32>);

impl ToSql for Vector {
    /// The type's binary form: number of dimensions, an unused 0, the elements; all in network order.
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_i16(self.0.len().try_into()?);
        out.put_i16(0);
        self.0.iter().for_each(|element| out.put_f32(*element));
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        ty.name() == "vector"
    }

    to_sql_checked!();
}

/// The programs with their embeddings.
pub fn programs() -> Result<Vec<Program>> {
    let text = String::from_utf8(read("packages.tsv")?)?;
    let lines = text.lines().skip(1);
    let embeddings = vectors("embeddings.f16.npy")?;
    ensure!(
        lines.clone().count() == embeddings.len(),
        "demo/: packages.tsv and its embeddings differ in length"
    );
    let program = |(line, embedding): (&str, Vector)| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [id, name, section, installed_kb, summary] = fields.as_slice() else { return None };
        Some(Program {
            id: id.parse().ok()?,
            name: (*name).to_owned(),
            section: (*section).to_owned(),
            installed_kb: installed_kb.parse().ok()?,
            summary: (*summary).to_owned(),
            embedding,
        })
    };
    let rows = lines.zip(embeddings);
    rows.map(|row| program(row).context("demo/packages.tsv has a line that is not a package")).collect()
}

/// The questions with their embeddings.
pub fn queries() -> Result<Vec<Query>> {
    let text = String::from_utf8(read("queries.txt")?)?;
    let embeddings = vectors("queries.f16.npy")?;
    ensure!(
        text.lines().count() == embeddings.len(),
        "demo/: queries.txt and its embeddings differ in length"
    );
    let rows = (1..).zip(text.lines().zip(embeddings));
    Ok(rows.map(|(id, (text, embedding))| Query { id, text: text.to_owned(), embedding }).collect())
}

fn read(name: &str) -> Result<Vec<u8>> {
    let path = workspace::root().join("demo").join(name);
    fs::read(&path).with_context(|| format!("could not read {}", path.display()))
}

fn vectors(name: &str) -> Result<Vec<Vector>> {
    parse_npy(&read(name)?).with_context(|| format!("demo/{name} is not a table of float16"))
}

/// Reads NumPy's format, the one kind of it that lies here: float16 in rows. (The crates for all of it bring a parser
/// generator and big integers, to be compiled by everyone who wants to see the demo.)
fn parse_npy(bytes: &[u8]) -> Result<Vec<Vector>> {
    let rest = bytes.strip_prefix(b"\x93NUMPY\x01\x00").context("not version 1 of NumPy's format")?;
    let (length, rest) = rest.split_at_checked(2).context("cut off")?;
    let length = u16::from_le_bytes([length[0], length[1]]).into();
    let (header, data) = rest.split_at_checked(length).context("cut off")?;
    let header = std::str::from_utf8(header)?;
    ensure!(header.contains("'descr': '<f2'"), "the elements are not little-endian float16");
    ensure!(header.contains("'fortran_order': False"), "stored by columns");
    let shape = header.split_once("'shape': (").and_then(|(_, rest)| rest.split_once(')'));
    let shape = shape.and_then(|(shape, _)| shape.split_once(", ")).context("not a table")?;
    let (rows, columns): (usize, usize) = (shape.0.parse()?, shape.1.parse()?);
    ensure!(columns > 0 && data.len() == rows * columns * 2, "cut off");

    let row = |bytes: &[u8]| {
        let halves: Vec<f16> =
            bytes.chunks_exact(2).map(|pair| f16::from_le_bytes([pair[0], pair[1]])).collect();
        Vector(halves.to_f32_vec())
    };
    Ok(data.chunks_exact(columns * 2).map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_as_numpy_writes_it_is_read() {
        let header = format!("{:<117}\n", "{'descr': '<f2', 'fortran_order': False, 'shape': (2, 2), }");
        let mut file = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        file.extend(header.as_bytes());
        // 1, -2, 0.5, 65504
        file.extend([0x00, 0x3c, 0x00, 0xc0, 0x00, 0x38, 0xff, 0x7b]);
        let read = parse_npy(&file).unwrap();
        assert_eq!(read, [Vector(vec![1.0, -2.0]), Vector(vec![0.5, 65504.0])]);
        assert!(parse_npy(&file[..file.len() - 1]).is_err());
    }

    #[test]
    fn the_files_of_the_demo_fit_together() {
        let (programs, queries) = (programs().unwrap(), queries().unwrap());
        assert_eq!((programs.len(), queries.len()), (7344, 60));
        assert!(
            programs
                .iter()
                .map(|p| &p.embedding)
                .chain(queries.iter().map(|q| &q.embedding))
                .all(|v| v.0.len() == 384)
        );
    }

    #[test]
    fn vectors_travel_in_network_order() {
        let mut out = BytesMut::new();
        Vector(vec![1.0, -2.0]).to_sql(&Type::UNKNOWN, &mut out).unwrap();
        assert_eq!(out.as_ref(), [0, 2, 0, 0, 0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0]);
    }
}
